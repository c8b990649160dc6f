"""Processes of the worker's own, for code that may crash, hang or eat memory."""
