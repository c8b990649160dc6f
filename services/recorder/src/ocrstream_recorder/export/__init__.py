"""Exports: rows in, bytes out. Nothing here knows a database or HTTP."""
