"""Converts image files to pictures, in a process of its own since the files may be hostile.

Run as `python -m ocrstream_recorder.pictures.child` by a `BlockingChildPool`.
"""

import sys

import msgspec

from ocrstream_recorder.errors import TooLargeToShowError
from ocrstream_recorder.pictures.wire import ConversionRefused, ConversionResult, ConversionTask
from ocrstream_sandbox.contents import ContentHandler
from ocrstream_sandbox.serve import serve


def convert(job: bytes, content: bytes) -> tuple[bytes, bytes]:
    """A ConversionResult and the picture, for a ConversionTask and an image file."""
    result, picture = _convert(content, msgspec.msgpack.decode(job, type=ConversionTask))
    return msgspec.msgpack.encode(result), picture


def _convert(content: bytes, task: ConversionTask) -> tuple[ConversionResult, bytes]:
    # Imported within the limits, and only in this process.
    from ocrstream_imaging import ImageFileError, TooManyPixelsError  # noqa: PLC0415
    from ocrstream_recorder.pictures import conversion  # noqa: PLC0415

    try:
        return conversion.convert(content, task)
    except (TooManyPixelsError, TooLargeToShowError) as error:
        return ConversionRefused(str(error), too_large=True), b""
    except ImageFileError as error:
        return ConversionRefused(str(error)), b""


if __name__ == "__main__":
    sys.exit(serve(lambda _: ContentHandler(convert)))
