"""Outlive: a connection pool manager for functions, whose connections outlive them.

This module imports nothing: it is loaded inside functions, where a cold start is paid by the caller.
"""

__version__ = "0.1.0"
