"""The login machines against real servers and real clients, over blocking sockets, without the rest of Outlive."""
