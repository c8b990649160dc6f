"""`python -m ocrstream_worker`, the same as the command `ocrstream-worker`."""

from ocrstream_worker.app import main

main()
