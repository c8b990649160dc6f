"""Derives the ids that records may lack, the same in every reader.

Each id is a UUIDv5 (RFC 9562) of a compact JSON array in UTF-8 (no spaces, non-ASCII unescaped), so
that a producer in any language can compute it.
"""

from hashlib import sha1, sha256
from uuid import NAMESPACE_DNS, UUID, uuid5

import msgspec

CHAIN_NAMESPACE = uuid5(NAMESPACE_DNS, "chain.ocrstream")  # 4b8a1889-b256-55b6-83e4-2775fe50b1dc
TASK_NAMESPACE = uuid5(NAMESPACE_DNS, "task.ocrstream")  # 4a957dc0-539e-572c-b938-d937fb6fe583

# RFC 9562, 4.1 and 5.5: the variant and version bits, and their values for version 5.
_FIXED_BITS = 0xF << 76 | 0x3 << 62
_VERSION_5 = 0x5 << 76 | 0x2 << 62


class RecordRef(msgspec.Struct, frozen=True):
    """The coordinates of a record; for a redriven record those of its origin headers.

    `timestamp_ms` is the record's timestamp in milliseconds since the epoch.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


def _uuid5(namespace: UUID, parts: list[str | int]) -> str:
    # A quarter of the time of `uuid.uuid5`; every record needs one or two of these.
    hashed = sha1(namespace.bytes + msgspec.json.encode(parts), usedforsecurity=False).digest()
    bits = int.from_bytes(hashed[:16]) & ~_FIXED_BITS | _VERSION_5
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def derive_chain_id(
    batch_id: str | None, index: int | None, image_path: str, ref: RecordRef, value: bytes
) -> str:
    """Derives the chain id of a submission without one.

    It hashes `[batch_id, index]`; without an index `[batch_id, image_path]`, so that equal paths in
    a batch are one image; without a batch the record's coordinates, its timestamp and the SHA-256
    of its value, because a recreated topic reuses offsets.
    """
    if batch_id is not None:
        return _uuid5(CHAIN_NAMESPACE, [batch_id, image_path if index is None else index])
    digest = sha256(value).hexdigest()
    return _uuid5(CHAIN_NAMESPACE, [ref.topic, ref.partition, ref.offset, ref.timestamp_ms, digest])


def ocr_task_id(chain_id: str, task_name: str, run: int) -> str:
    """Derives the id of the OCR task in a run of a chain."""
    return _uuid5(TASK_NAMESPACE, [chain_id, task_name, run])
