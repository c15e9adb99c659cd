"""Which remedy fits a load: the arithmetic, a simulation under the storm's own definitions, and a ranked answer."""
