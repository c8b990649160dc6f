"""Makes pictures of image files; a process of its own, for the files may be hostile.

Run as `python -m ocrstream_recorder.pictures.child` by a `BlockingChildPool`.
"""

import sys

import msgspec

from ocrstream_recorder.errors import TooLargeToShowError
from ocrstream_recorder.pictures.wire import Answer, Refused, Task
from ocrstream_sandbox.contents import ContentHandler
from ocrstream_sandbox.serve import serve


def make(job: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Of a Task and an image file an Answer and the picture."""
    answer, picture = _make(content, msgspec.msgpack.decode(job, type=Task))
    return msgspec.msgpack.encode(answer), picture


def _make(content: bytes, task: Task) -> tuple[Answer, bytes]:
    # Loaded within the limits, and only in this process.
    from ocrstream_imaging import ImageFileError, TooManyPixelsError  # noqa: PLC0415
    from ocrstream_recorder.pictures import conversion  # noqa: PLC0415

    try:
        return conversion.make(content, task)
    except (TooManyPixelsError, TooLargeToShowError) as error:
        return Refused(str(error), too_large=True), b""
    except ImageFileError as error:
        return Refused(str(error)), b""


if __name__ == "__main__":
    sys.exit(serve(lambda _: ContentHandler(make)))
