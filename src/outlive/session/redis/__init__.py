"""What a client of Redis has done to its session, and so: multiplex, lease, answer locally or refuse."""
