"""`outlive.function` with real servers and unmodified drivers."""
