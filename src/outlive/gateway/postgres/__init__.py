"""Requests at PostgreSQL databases."""
