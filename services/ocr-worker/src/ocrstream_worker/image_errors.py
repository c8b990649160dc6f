"""Why an image cannot be given to the engine. The type decides what happens next."""

from ocrstream_sandbox.wire import printable
from ocrstream_schemas.events import Reason


class ImageError(Exception):
    """Base; `reason` is what the result says, the message what a person reads.

    The message can be sent in an event, whatever bytes a path or a decoder put into it.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(printable(message))
        self.reason = reason


class ImageRejected(ImageError):
    """Another attempt would end the same way: the image fails now."""


class ImageUnreachable(ImageError):
    """Another attempt may succeed; `reason` holds when it was the last one."""
