"""Clients that speak PostgreSQL."""
