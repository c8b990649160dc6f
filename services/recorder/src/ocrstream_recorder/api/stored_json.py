"""JSON as the database holds it."""

import json
from typing import Any, TypeVar

import msgspec

ValueT = TypeVar("ValueT")


def decode_stored(content: bytes | str) -> Any:
    """Its value. Raises ValueError if it is none."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        # What PostgreSQL takes for JSON and others do not: 1e999, half a surrogate pair.
        return json.loads(content)


def of_kind(value: Any, kind: type[ValueT]) -> ValueT | None:
    """The value if it is one of the kind: what stands from before the recorder may be anything."""
    return value if isinstance(value, kind) else None
