"""Redis' protocol (RESP2 and RESP3): where commands and replies end, and the few values that Outlive itself needs."""
