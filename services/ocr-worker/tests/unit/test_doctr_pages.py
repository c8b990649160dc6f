"""docTR's export becomes lines in pixels. The structure is that of docTR 1.1 `Document.export`."""

from typing import Any

import pytest

from ocrstream_schemas.events import BoxUnit, TextBox
from ocrstream_worker.engines.doctr import page_lines
from ocrstream_worker.engines.lines import to_boxes

Geometry = tuple[tuple[float, float], ...]


def word(value: str, confidence: float, geometry: Geometry) -> dict[str, Any]:
    return {
        "value": value,
        "confidence": confidence,
        "geometry": geometry,
        "objectness_score": 0.9,
        "crop_orientation": {"value": 0, "confidence": None},
    }


def page(*lines: dict[str, Any]) -> dict[str, Any]:
    return {
        "page_idx": 0,
        "dimensions": (200, 400),
        "orientation": {"value": None, "confidence": None},
        "language": {"value": None, "confidence": None},
        "blocks": [
            {
                "geometry": ((0.0, 0.0), (1.0, 1.0)),
                "objectness_score": 0.9,
                "lines": list(lines),
                "artefacts": [],
            }
        ],
    }


def line(geometry: Geometry, *words: dict[str, Any]) -> dict[str, Any]:
    return {"geometry": geometry, "objectness_score": 0.9, "words": list(words)}


def page_boxes(
    found: dict[str, Any], width: int, height: int, unit: BoxUnit = "line"
) -> tuple[TextBox, ...]:
    return to_boxes(page_lines(found, width, height), unit, 0, width, height)


def rounded(box: TextBox) -> list[tuple[float, float]]:
    return [(round(x, 6), round(y, 6)) for x, y in box.bbox]


def test_upright_line_of_two_words() -> None:
    found = page(
        line(
            ((0.1, 0.2), (0.5, 0.3)),
            word("Grand", 0.9, ((0.1, 0.2), (0.25, 0.3))),
            word("total", 0.7, ((0.3, 0.2), (0.5, 0.3))),
        )
    )
    (box,) = page_boxes(found, width=400, height=200)
    assert box.text == "Grand total"
    assert box.confidence == pytest.approx(0.8)
    assert rounded(box) == [(40, 40), (200, 40), (200, 60), (40, 60)]


def test_the_words_of_a_line() -> None:
    found = page(
        line(
            ((0.1, 0.2), (0.5, 0.3)),
            word("Grand", 0.9, ((0.1, 0.2), (0.25, 0.3))),
            word("total", 0.7, ((0.3, 0.2), (0.5, 0.3))),
        )
    )
    boxes = page_boxes(found, 400, 200, "word")
    assert [(box.text, box.confidence) for box in boxes] == [("Grand", 0.9), ("total", 0.7)]
    assert rounded(boxes[1]) == [(120, 40), (200, 40), (200, 60), (120, 60)]


def test_an_upside_down_line_begins_where_its_words_do() -> None:
    corners = ((0.1, 0.2), (0.5, 0.2), (0.5, 0.3), (0.1, 0.3))
    turned = (corners[2], corners[3], corners[0], corners[1])
    (box,) = page_boxes(page(line(corners, word("down", 1.0, turned))), 400, 200)
    assert rounded(box) == [(200, 60), (40, 60), (40, 40), (200, 40)]


def test_turned_line_keeps_its_four_points() -> None:
    corners = ((0.1, 0.2), (0.5, 0.4), (0.45, 0.5), (0.05, 0.3))
    found = page(line(corners, word("tilted", 1.0, corners)))
    (box,) = page_boxes(found, width=400, height=200)
    assert rounded(box) == [(40, 40), (200, 80), (180, 100), (20, 60)]


def test_lines_keep_their_order_and_empty_ones_are_left_out() -> None:
    area = ((0.0, 0.0), (1.0, 0.1))
    found = page(line(area, word("a", 1, area)), line(area), line(area, word("b", 1, area)))
    assert [box.text for box in page_boxes(found, 400, 200)] == ["a", "b"]


def test_a_page_without_text() -> None:
    assert page_boxes({**page(), "blocks": []}, 400, 200) == ()
