"""Unmodified clients: each does the same direct and through Outlive, and must not be able to tell."""
