"""The client side's I/O of the wire: listeners, relays, drain."""
