"""The server side's I/O: dial, TLS, login, leases, KILL, health, failover."""
