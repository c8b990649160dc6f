"""`python -m ocrstream_ingest`, the same as the command `ocrstream-ingest`."""

from ocrstream_ingest.app import main

main()
