"""Declared operations: endpoints of the configuration, each a statement or a transaction."""
