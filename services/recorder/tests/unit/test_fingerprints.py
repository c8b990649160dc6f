"""Fingerprints of records: equal for one and the same record alone."""

from hashlib import sha256

import msgspec
import pytest
from recorder_ledgers import record

from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.recording.decoding import decode_record
from ocrstream_recorder.rules.fingerprints import (
    KEPT,
    RULES,
    SIZE,
    fingerprint,
    remember,
    split_fingerprints,
)
from ocrstream_schemas.codec import encode
from ocrstream_schemas.contract.examples import EXAMPLES
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import RECORDED_TOPICS

REF = RecordRef("ocr.results", 1, 23, 456)
MEANING = "3 7bcacb8784720c2c"


@pytest.mark.parametrize(
    ("topic", "value", "ref", "recorded_ms"),
    [
        ("tasks.lifecycle", b"value", REF, 500),
        ("ocr.results", b"Value", REF, 500),
        ("ocr.results", b"value", REF, 455),
        ("ocr.results", b"value", msgspec.structs.replace(REF, topic="images.submitted"), 500),
        ("ocr.results", b"value", msgspec.structs.replace(REF, partition=12, offset=3), 500),
        ("ocr.results", b"value", msgspec.structs.replace(REF, offset=234, timestamp_ms=56), 500),
        ("ocr.results", b"value", msgspec.structs.replace(REF, timestamp_ms=457), 500),
        ("ocr.results", b"6value", msgspec.structs.replace(REF, timestamp_ms=45), 500),
    ],
)
def test_whatever_a_meaning_may_follow_from_makes_another_record(
    topic: str, value: bytes, ref: RecordRef, recorded_ms: int
) -> None:
    known = fingerprint("ocr.results", b"value", REF, 456)
    # A redrive is the same record.
    assert fingerprint("ocr.results", b"value", REF, 500) == known
    assert fingerprint(topic, value, ref, recorded_ms) != known


def test_the_newest_are_kept_each_once() -> None:
    marks = [bytes([number]) * SIZE for number in range(KEPT + 2)]
    kept = b""
    for mark in marks:
        kept = remember(remember(kept, [mark]), [mark, mark])
    assert split_fingerprints(kept) == marks[-KEPT:]
    assert split_fingerprints(remember(b"", marks[:2])) == marks[:2]


def test_other_rules_make_other_fingerprints() -> None:
    """Fails if events mean something else (raise RULES), and if there are other examples; then
    MEANING becomes what the assertion shows.
    """
    to_local = DatabaseZone("UTC").to_local
    decoded = [
        decode_record(record(example.topic, encode(example.event), 0), to_local)
        for example in EXAMPLES
        if example.topic in RECORDED_TOPICS
    ]
    meaning = [
        msgspec.structs.replace(one.changes, fingerprint=None)
        for one in decoded
        if one.changes is not None
    ]
    digest = sha256(msgspec.json.encode(meaning, order="deterministic")).hexdigest()[:16]
    assert f"{RULES} {digest}" == MEANING
