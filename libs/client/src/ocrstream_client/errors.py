"""The exceptions of the client."""

from pathlib import Path
from typing import Any


class OcrstreamError(Exception):
    """Base of the client's exceptions; the message says what is wrong and what to do."""


class UnreachableError(OcrstreamError):
    """A service does not answer."""


class RefusedError(OcrstreamError):
    """A service refuses the request; `status` is the HTTP status.

    `document` is the response's JSON, if it is valid; `retry_after_s` is its Retry-After header, if
    it has one.
    """

    def __init__(
        self,
        message: str,
        status: int,
        *,
        document: Any = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.document = document
        self.retry_after_s = retry_after_s


class NotSubmittableError(OcrstreamError):
    """A name cannot be submitted: no such file, or nothing in it."""


class UnreadableFileError(OcrstreamError):
    """A file that the client found cannot be opened."""

    def __init__(self, file: Path, cause: OSError) -> None:
        super().__init__(f"{file} cannot be read: {cause.strerror or cause}")
        self.file = file
        self.missing = isinstance(cause, FileNotFoundError)


class WaitTimeoutError(OcrstreamError, TimeoutError):
    """The batch has not ended within the timeout, and continues;

    `batch` is its last known status.
    """

    def __init__(self, message: str, batch: Any) -> None:
        super().__init__(message)
        self.batch = batch


class ImagesFailedError(OcrstreamError):
    """Some images of the batch failed or were cancelled; `images` are all images, in order."""

    def __init__(self, message: str, images: list[Any]) -> None:
        super().__init__(message)
        self.images = images
