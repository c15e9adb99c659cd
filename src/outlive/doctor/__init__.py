"""What a database really allows, and who holds it: `outlive doctor`.

A protocol is one file (`mysql.py`, `postgres.py`: what is read, and the checks of it), named in `examination.py`.
Checks are pure functions of what was read.
"""
