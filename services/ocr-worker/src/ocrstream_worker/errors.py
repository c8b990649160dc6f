"""Errors of one image. Their type decides whether the worker tries the image again."""

from ocrstream_sandbox.wire import printable
from ocrstream_schemas.events import Reason


class WorkerError(Exception):
    """Base of the worker's errors."""


class BatchCancelledError(WorkerError):
    """The image's batch was cancelled."""


class ImageError(WorkerError):
    """Base of errors that keep an image from the engine.

    `reason` goes into the result event. The message is escaped: any event can carry it, whatever
    bytes a path or a decoder put into it.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(printable(message))
        self.reason = reason


class PermanentImageError(ImageError):
    """A retry would fail the same way: the image fails at once."""


class TransientImageError(ImageError):
    """A retry may succeed. `reason` becomes final if the last attempt raises this."""
