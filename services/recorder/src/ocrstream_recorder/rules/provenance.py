"""What read an image, as its row keeps it."""

from typing import Any

import msgspec

from ocrstream_schemas.events import Provenance
from ocrstream_schemas.fields import Attempt

UNKNOWN_ENGINE = "unknown"
"""The engine of a row without provenance: of an old result, or of none that an engine gave."""

READER_ENTRY = "ocrstream"
"""What the version of the worker's own way to read a page stands under; without it, it is 1."""


class StoredProvenance(Provenance, frozen=True, kw_only=True, omit_defaults=True):
    """An outcome's provenance and the `attempt` that it is of; fields at their default are left
    out, as in the event.
    """

    attempt: Attempt


def is_ordered(provenance: Any) -> bool:
    """Whether boxes with this provenance, in its stored form, are stored in reading order."""
    return isinstance(provenance, dict) and provenance.get("ordered") is True


_JSON = msgspec.json.Encoder(order="deterministic")


def stored_form(provenance: Provenance, attempt: int) -> msgspec.Raw:
    """It as JSON; what is equal is written alike."""
    stored = StoredProvenance(**msgspec.structs.asdict(provenance), attempt=attempt)
    return msgspec.Raw(_JSON.encode(stored))
