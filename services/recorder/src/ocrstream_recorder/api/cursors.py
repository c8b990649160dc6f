"""Cursors: where a list goes on, opaque to who holds them."""

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec

from ocrstream_runtime.errors import ProblemError

PositionT = TypeVar("PositionT")

MAX_ROW_ID = 2**63 - 1
MAX_INTEGER = 2**31 - 1

RowId = Annotated[int, msgspec.Meta(ge=0, le=MAX_ROW_ID)]
Integer = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


def encode_cursor(position: object) -> str:
    """The cursor that stands for `position`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[PositionT]) -> PositionT:
    """The position that a cursor stands for; a problem document if it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError) as error:
        raise _not_ours() from error


def decode_number(cursor: str, most: int = MAX_ROW_ID) -> int:
    """A position that is a number from 0 to `most`; a problem document if it is none of ours."""
    number = decode_cursor(cursor, int)
    if not 0 <= number <= most:
        raise _not_ours()
    return number


def _not_ours() -> ProblemError:
    return ProblemError(
        400, "Bad cursor", "cursor: not one that this API gave; ask again without it"
    )
