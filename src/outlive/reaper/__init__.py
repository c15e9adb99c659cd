"""Finds and ends dangling connections on a database that Outlive does not front.

The rules are pure (`rules.py`, `evidence.py`). A protocol adds one file (`mysql.py`, `postgres.py`), named in
`reaper.py`: how two reapers keep out of each other's way, and how one connection is ended on condition.
"""
