"""What can go wrong for a user of the system."""

from typing import Any


class OcrstreamError(Exception):
    """Base; the message says what is wrong and what to do."""


class Unreachable(OcrstreamError):
    """The system does not answer."""


class Refused(OcrstreamError):
    """The system answers that it will not do it; `status` is the HTTP status.

    `document` is the answer's JSON, if it is any; `retry_after_s` how long it asks to be left
    alone, if it does.
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


class NotSubmittable(OcrstreamError):
    """What was named cannot be submitted."""


class NotEnded(OcrstreamError, TimeoutError):
    """The batch has not ended in the time that was given; it goes on. `batch` is how far it is."""

    def __init__(self, message: str, batch: Any) -> None:
        super().__init__(message)
        self.batch = batch


class NotAllRead(OcrstreamError):
    """Some images of the batch failed or were cancelled; `images` are all of them, in order."""

    def __init__(self, message: str, images: list[Any]) -> None:
        super().__init__(message)
        self.images = images
