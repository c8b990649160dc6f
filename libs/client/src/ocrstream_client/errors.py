"""What can go wrong for a user of the system."""


class OcrstreamError(Exception):
    """Base; the message says what is wrong and what to do."""


class Unreachable(OcrstreamError):
    """The system does not answer."""


class Refused(OcrstreamError):
    """The system answers that it will not do it; `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotSubmittable(OcrstreamError):
    """What was named cannot be submitted."""
