"""The PostgreSQL part of the node without sockets: clients and servers that say anything."""
