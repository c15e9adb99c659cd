"""Requests at MySQL and MariaDB databases."""
