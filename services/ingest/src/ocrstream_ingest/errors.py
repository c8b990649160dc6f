"""Exceptions that ingest raises itself; API errors are `ocrstream_runtime.errors.Problem`."""


class IngestError(Exception):
    """Base of ingest's exceptions."""


class DocumentError(IngestError):
    """A document cannot be split into pages within the limits; the message says why."""
