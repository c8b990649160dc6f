"""Pages of lists, and the opaque cursors that continue them."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel

from ocrstream_runtime.errors import ProblemError

RowT = TypeVar("RowT")
ItemT = TypeVar("ItemT")
PositionT = TypeVar("PositionT")

MAX_ROW_ID = 2**63 - 1
MAX_INTEGER = 2**31 - 1

RowId = Annotated[int, msgspec.Meta(ge=0, le=MAX_ROW_ID)]
Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]

Limit = Annotated[int, Query(ge=1, le=1000, description="The greatest number of items to answer")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the previous answer")
]


class Page(BaseModel, Generic[ItemT]):
    """Some items of a list; `next_cursor` asks for those that follow, null at the end.

    An item that a page has many of is a dataclass: pydantic would validate each model, which takes
    several times as long as creating it, and the values come from the database and this service.
    """

    items: list[ItemT]
    next_cursor: str | None


def page_of(
    rows: Sequence[RowT],
    limit: int,
    position: Callable[[RowT], object],
    item: Callable[[RowT], ItemT],
) -> Page[ItemT]:
    """The first `limit` rows as items; one more row means that others follow.

    The next page begins after the `position` of the last row in this page.
    """
    shown = rows[:limit]
    following = encode_cursor(position(shown[-1])) if len(rows) > limit else None
    return Page(items=[item(row) for row in shown], next_cursor=following)


def encode_cursor(position: object) -> str:
    """The cursor for `position`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[PositionT]) -> PositionT:
    """The position of a cursor. Raises ProblemError (400) if this API did not issue the cursor."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError) as error:
        raise _invalid_cursor() from error


def decode_number(cursor: str | None, most: int = MAX_ROW_ID) -> int | None:
    """A position from 0 to `most`; None without a cursor. Raises ProblemError (400)."""
    if cursor is None:
        return None
    number = decode_cursor(cursor, int)
    if not 0 <= number <= most:
        raise _invalid_cursor()
    return number


def _invalid_cursor() -> ProblemError:
    detail = "cursor: this API did not issue it; repeat the request without it"
    return ProblemError(400, "Invalid cursor", detail)
