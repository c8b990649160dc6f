"""JSON as the database holds it."""

import json
from typing import Any

import msgspec


def decode_stored(content: bytes | str) -> Any:
    """Its value. Raises ValueError if it is none."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        # What PostgreSQL takes for JSON and others do not: 1e999, half a surrogate pair.
        return json.loads(content)
