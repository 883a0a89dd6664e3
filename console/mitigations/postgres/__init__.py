"""Ending queries and sessions of PostgreSQL, one identified client session at a time."""
