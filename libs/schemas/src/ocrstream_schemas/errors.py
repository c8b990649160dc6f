"""The exceptions of this library."""


class OcrstreamSchemasError(ValueError):
    """Base of this library's exceptions."""


class InvalidRecordError(OcrstreamSchemasError):
    """The record is not an event of its topic; its place is the dead-letter topic."""


class InvalidOptionError(OcrstreamSchemasError):
    """The value of a batch option is not valid; the message never repeats the value."""
