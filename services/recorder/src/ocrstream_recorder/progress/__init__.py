"""The live progress of batches: one query for all listeners of a process.

Runs in the serving process.
"""
