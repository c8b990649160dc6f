"""The HTTP API under `/v1`, and the dashboard's files.

Runs in the serving process.
"""
