"""`python -m ocrstream_recorder`, the same as the command `ocrstream-recorder`."""

from ocrstream_recorder.app import main

main()
