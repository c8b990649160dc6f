"""Reprocessing: images that are submitted again, because somebody retries or reprocesses them.

The serving process accepts requests; the recording process carries them out.

Runs in both processes; in the recording one alone: `retries`.
"""
