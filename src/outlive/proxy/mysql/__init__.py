"""Clients that speak MySQL."""
