"""Makes pictures of image files; a process of its own, for the files may be hostile.

Run as `python -m ocrstream_recorder.pictures.child` by a `BlockingChildPool`.
"""

import sys

import msgspec

from ocrstream_recorder.pictures.wire import Answer, Refused, Task
from ocrstream_sandbox.contents import ContentHandler
from ocrstream_sandbox.serve import describe, serve


def make(job: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Of a Task and an image file an Answer and the picture."""
    answer, picture = _make(content, msgspec.msgpack.decode(job, type=Task))
    return msgspec.msgpack.encode(answer), picture


def _make(content: bytes, task: Task) -> tuple[Answer, bytes]:
    # Loaded within the limits, and only in this process.
    from ocrstream_recorder.pictures import conversion  # noqa: PLC0415

    try:
        return conversion.make(content, task)
    except conversion.Unshowable as error:
        return Refused(str(error), error.too_large), b""
    except MemoryError:
        # The process ends: what it holds of this image is no more than it can say.
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise nearly anything
        return Refused(f"broken image: {describe(error)}"), b""


if __name__ == "__main__":
    sys.exit(serve(lambda _: ContentHandler(make)))
