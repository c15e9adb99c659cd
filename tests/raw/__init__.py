"""Clients of bare packets, for what no driver does."""
