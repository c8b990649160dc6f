"""Names of states, as the tables store them."""

from enum import StrEnum


class ProcessStatus(StrEnum):
    """State of a task, a chain or a batch."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RUNNING = "RUNNING"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


class ImageStatus(StrEnum):
    """State of an image's OCR result."""

    SUCCESS = "success"
    FAILED = "failed"


DONE = frozenset({ProcessStatus.SUCCESS, ProcessStatus.FAILURE, ProcessStatus.REVOKED})
