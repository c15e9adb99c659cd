"""Redis' clients."""
