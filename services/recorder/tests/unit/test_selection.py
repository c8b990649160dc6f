"""Conditions: what is read back is what was written, and what is none is pointed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder_conditions import conditions, written

from ocrstream_recorder.errors import ConditionError
from ocrstream_recorder.reprocessing.rules import (
    FIELDS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    parse_condition,
)


@given(conditions(), st.sampled_from([" ", "  ", "\n", ""]))
def test_what_was_written_is_read(condition: Condition, space: str) -> None:
    assert parse_condition(written(condition, space)) == condition


@given(
    st.lists(
        st.sampled_from([*FIELDS, "and", "or", "(", ")", "<", "=", "0.8", "30d", "gpu", "'", "é"])
    ).map(" ".join)
    | st.text()
)
def test_anything_else_is_pointed_at(text: str) -> None:
    told: ConditionError | None = None
    try:
        parse_condition(text)
    except ConditionError as error:
        told = error
    assert told is None or 0 <= told.position <= len(text)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "expected one of confidence, min_confidence, boxes, run, age"),
        ("confidense < 0.8", 0, "expected one of confidence"),
        ("confidence 0.8", 11, "expected one of < <= > >= = !="),
        ("confidence < high", 13, "confidence is a number, like 0.8 or 3"),
        ("confidence < 0.8d", 13, "confidence is a number"),
        ("age > 30", 6, "age is a time like 30d, 12h, 90m or 45s"),
        ("age > 30w", 6, "age is a time"),
        ("status < failed", 7, "status can be = or !=, not <"),
        ("status = broken", 9, "status is one of success, failed"),
        ("lane = fast", 7, "lane is one of default, urgent, gpu"),
        ("warning = small", 10, "warning is one of unreadable_script, low_confidence, small_text"),
        ("engine < tesseract", 7, "engine can be = or !=, not <"),
        ("engine = 3", 9, "engine is a name, like rapidocr or unknown"),
        ("version < new", 10, "version is numbers between dots, like 3.10.1 or 2"),
        ("version < 3rc1", 10, "version is numbers between dots"),
        ("confidence < 0.8.1", 13, "confidence is a number"),
        ("age > 3.1.2d", 6, "age is a time"),
        ("boxes < 1 boxes > 2", 10, "expected and, or, or the end"),
        ("(boxes < 1", 10, "expected and, or, or ) for the ( before"),
        ("boxes < 1 and", 13, "expected one of confidence"),
        ("boxes < 1; DROP TABLE x", 9, "';' has no meaning here"),
        ("boxes < " + "9" * 20, 8, "too large a number"),
        ("(" * 30 + "run = 1", 20, "more than 20 parentheses within each other"),
        ("run = 1 or " * 200, 1000, "longer than 1,000 characters"),
    ],
)
def test_errors_say_what_was_expected_and_where(text: str, position: int, said: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert caught.value.position == position
    why, shown, pointer = str(caught.value).split("\n")
    assert said in why
    assert pointer == " " * position + "^"
    assert shown == text[:1000]


def test_and_binds_more_than_or() -> None:
    first, second = Comparison("boxes", "<", 3.0), Comparison("age", ">=", 5400.0)
    third = Comparison("status", "!=", "failed")
    told = "boxes < 3 OR age >= 90m and status != failed"
    assert parse_condition(told) == AnyOf((first, AllOf((second, third))))
    told = "(boxes < 3 or age >= 90m) and status != failed"
    assert parse_condition(told) == AllOf((AnyOf((first, second)), third))
