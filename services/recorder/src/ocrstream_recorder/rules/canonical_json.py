"""JSON as text, written alike wherever it is equal."""

from typing import Any

import msgspec

_JSON = msgspec.json.Encoder(order="deterministic")


def canonical_json(content: Any | None) -> msgspec.Raw | None:
    """JSON of any shape as its canonical text: keys sorted, no spaces; None stays None.

    To Python 1, 1.0 and true are equal; a join that took one for another would keep the first.
    """
    return None if content is None else msgspec.Raw(_JSON.encode(content))
