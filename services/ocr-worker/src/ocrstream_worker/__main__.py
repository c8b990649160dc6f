"""Runs the worker as `python -m ocrstream_worker`, like the command `ocrstream-worker`."""

from ocrstream_worker.app import main

main()
