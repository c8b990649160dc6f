"""Records recognized: the row of a chain keeps fingerprints of the records folded into it.

A record whose fingerprint is kept anywhere need not be decoded: it is part of the states already,
and joining it once more would change none. The chain is only where to look for it.
"""

from collections.abc import Iterable
from hashlib import blake2b

from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.times import bounding_ms

RULES = 3
"""The version of what records mean; any change raises it, so that all records count as new."""
KEPT = 16
"""How many a chain keeps, the newest. A record beyond is decoded again and changes nothing."""
SIZE = 16
"""Bytes of a fingerprint."""


def fingerprint(topic: str, value: bytes | None, ref: RecordRef, recorded_ms: int) -> bytes:
    """The digest of all that a record's meaning follows from.

    Besides topic and value these are the coordinates that it first had, which ids are taken from
    where the value leaves them out, and the timestamp that bounds its times; `recorded_ms` is the
    record's own. A redrive comes later, so it has the fingerprint of its origin. No topic holds
    NUL.
    """
    origin = f"{ref.topic}\0{ref.partition}\0{ref.offset}\0{ref.timestamp_ms}"
    bound = bounding_ms(ref, recorded_ms)
    digest = blake2b(f"{RULES}\0{topic}\0{origin}\0{bound}\0".encode(), digest_size=SIZE)
    digest.update(value or b"")
    return digest.digest()


def remember(kept: bytes, more: Iterable[bytes]) -> bytes:
    """The fingerprints to keep after further ones, one behind the other, the newest last."""
    return b"".join(list(dict.fromkeys([*split_fingerprints(kept), *more]))[-KEPT:])


def split_fingerprints(kept: bytes) -> list[bytes]:
    """The fingerprints in what a row keeps."""
    return [kept[at : at + SIZE] for at in range(0, len(kept), SIZE)]
