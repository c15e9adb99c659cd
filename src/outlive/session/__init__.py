"""Session state machines, one protocol a package: what a client has done to its session, and so what its server
connection may serve next.
"""
