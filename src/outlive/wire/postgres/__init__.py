"""The PostgreSQL frontend/backend protocol 3.0 and 3.2, as PostgreSQL 9.6 to 18 speak it."""
