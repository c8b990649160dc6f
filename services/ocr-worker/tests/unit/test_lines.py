"""Whatever numbers and characters an engine gives, the box can be sent."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrstream_schemas.codec import decode, encode
from ocrstream_schemas.events import OcrSucceeded, TextBox
from ocrstream_schemas.ids import RecordRef
from ocrstream_schemas.topics import OCR_RESULTS
from ocrstream_worker.engines.lines import (
    Line,
    Word,
    is_unspaced,
    join_words,
    text_box,
    to_boxes,
)

SQUARE = ((0, 0), (4, 0), (4, 2), (0, 2))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_a_plain_box_is_kept() -> None:
    assert text_box("Total", 0.5, SQUARE, 10, 10) == TextBox(
        text="Total", confidence=0.5, bbox=((0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0))
    )


def test_clipped_to_the_image() -> None:
    box = text_box("x", 1.0, ((-3, -1), (12, -1), (12, 30), (-3, 30)), 10, 20)
    assert box.bbox == ((0, 0), (10, 0), (10, 20), (0, 20))


@pytest.mark.parametrize(
    "polygon", [SQUARE[:3], (*SQUARE, (0, 0)), ((math.nan, 0), *SQUARE[1:]), ((math.inf, 0),) * 4]
)
def test_what_is_no_polygon_is_an_error(polygon: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="no polygon"):
        text_box("x", 1.0, polygon, 10, 10)


@given(
    st.text(st.characters(exclude_categories=[])),
    st.floats(),
    st.tuples(*[st.tuples(FINITE, FINITE)] * 4),
)
def test_every_box_passes_the_contract(
    text: str, confidence: float, polygon: tuple[tuple[float, float], ...]
) -> None:
    event = OcrSucceeded(
        chain_id="c",
        image_path="file:///a",
        boxes=(text_box(text, confidence, polygon, 100, 100),),
    )
    ref = RecordRef(OCR_RESULTS, 0, 0, 0)
    decoded = decode(OCR_RESULTS, encode(event), ref)
    assert isinstance(decoded, OcrSucceeded)
    assert decoded.boxes == event.boxes


def word(text: str, confidence: float = 1.0) -> Word:
    return Word(text, confidence, SQUARE)


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["Grand", "total"], "Grand total"),
        (["合", "計", "780"], "合計 780"),
        (["カ", "タ"], "カタ"),
        (["합계", "원"], "합계 원"),
        (["one"], "one"),
    ],
)
def test_words_make_a_line(texts: list[str], joined: str) -> None:
    assert join_words([word(text) for text in texts], SQUARE).text == joined


def test_a_line_is_as_sure_as_its_words_are_on_average() -> None:
    assert join_words([word("a", 0.5), word("b", 0.7)], SQUARE).confidence == pytest.approx(0.6)


def test_writings_without_blanks() -> None:
    assert [one for one in "請カあaé원1" if is_unspaced(one)] == ["請", "カ", "あ"]


def test_boxes_are_lines_or_words_and_never_both() -> None:
    lines = [
        Line("a b", 0.9, SQUARE, [word("a"), word("b")]),
        Line("un sure", 0.4, SQUARE, [word("un", 0.8), word("sure", 0.1)]),
        Line(" ", 1.0, SQUARE, [word(" ")]),
    ]
    assert [box.text for box in to_boxes(lines, "line", 0.5, 9, 9)] == ["a b"]
    assert [box.text for box in to_boxes(lines, "word", 0.5, 9, 9)] == ["a", "b"]
    assert [box.text for box in to_boxes(lines, "word", 0.0, 9, 9)] == ["a", "b", "un", "sure"]
