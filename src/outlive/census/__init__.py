"""A database's account of its connections: who holds them, from where, since when, in which transaction.

What `outlive reap` and `outlive doctor` stand on. A protocol is one file here (`mysql.py`, `postgres.py`), named in
`sessions.py`; nothing else in this room knows a protocol.
"""
