"""Progress of batches, live: one query for all listeners of a process.

Runs in the serving process.
"""
