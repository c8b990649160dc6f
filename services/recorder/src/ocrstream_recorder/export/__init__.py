"""Exports: rows in, bytes out. Nothing here knows a database or HTTP.

Runs in the serving process.
"""
