"""The label `code` of metrics that count results by the codes of their warnings."""

from ocrstream_schemas.events import WarningCode

_OTHER = "other"
_CODES = frozenset[str](WarningCode)

WARNING_LABELS = (*WarningCode, _OTHER)
"""All values of the label."""


def warning_label(code: str) -> str:
    """Returns the code, or `other` for a code of newer workers."""
    return code if code in _CODES else _OTHER
