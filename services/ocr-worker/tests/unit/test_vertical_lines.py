"""Columns of Japanese set to run to the right."""

import numpy as np
import pytest
from drawn_text import drawn_column
from engine_pages import blank

from ocrstream_worker.engines.port import EngineSettings, RgbImage
from ocrstream_worker.engines.rapidocr import RapidOcrEngine
from ocrstream_worker.engines.vertical_lines import to_horizontal_line

COLUMNS = ["今日は、雨が降る。", "コーヒーを二杯、飲んだ。", "東京タワーに行く"]


def column_of(text: str) -> RgbImage:
    """A column with as much paper around it as detection leaves."""
    drawn = drawn_column(text)
    ys, xs = np.nonzero(drawn[:, :, 0] < 160)
    column = drawn[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    margin = column.shape[1] // 5
    return np.pad(column, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)


@pytest.mark.parametrize("text", COLUMNS)
def test_a_column_becomes_a_line(text: str) -> None:
    column = column_of(text)
    line = to_horizontal_line(column)
    assert line is not None
    height, width = line.shape[:2]
    # A place for each character, and a margin of a quarter at either end.
    assert width / height == pytest.approx(len(text) + 0.5, abs=0.1)
    networks = RapidOcrEngine(EngineSettings())._networks  # pyright: ignore[reportPrivateUsage]
    (read,) = networks.recognize([line])
    assert read.text == text
    # Only turned on its side it is not read right.
    (on_its_side,) = networks.recognize([np.ascontiguousarray(np.rot90(column))])
    assert on_its_side.text != text


def test_what_holds_no_two_characters_is_left_as_it_is() -> None:
    assert to_horizontal_line(blank(200, 40)) is None
    assert to_horizontal_line(blank(1, 1)) is None
    assert to_horizontal_line(column_of("東")) is None


def test_paper_may_be_dark() -> None:
    column = column_of(COLUMNS[0])
    line, reverse = to_horizontal_line(column), to_horizontal_line(255 - column)
    assert line is not None
    assert reverse is not None
    assert (reverse == 255 - line).mean() > 0.99
