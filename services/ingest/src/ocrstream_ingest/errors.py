"""Exceptions that ingest raises itself; API errors are `ocrstream_runtime.errors.ProblemError`."""

from typing import ClassVar

from ocrstream_schemas.events import Reason


class IngestError(Exception):
    """Base of ingest's exceptions."""


class DocumentError(IngestError):
    """A document cannot be split into pages within the limits; the message says why."""

    reason: ClassVar[Reason] = Reason.UNDECODABLE


class DocumentTooLargeError(DocumentError):
    """A page of the document is larger than allowed."""

    reason = Reason.TOO_LARGE


class RequestFullError(DocumentTooLargeError):
    """The document exceeds a limit that all documents of its request share."""
