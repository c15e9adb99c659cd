"""TLS over memory buffers, socket options, certificates and the PROXY protocol: what both sides' I/O stands on."""
