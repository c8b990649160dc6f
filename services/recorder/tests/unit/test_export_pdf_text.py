"""Readers of PDFs extract the text that was put in, in any script, with each word in its place."""

import re
import shutil
import subprocess
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from exported import box, export, image
from hypothesis import example, given
from hypothesis import strategies as st
from not_run import not_run

from ocrstream_recorder.export.formats import Format
from ocrstream_recorder.export.model import Box
from ocrstream_recorder.export.pdf import DPI

SCRIPTS = {
    "latin": "abcXYZéñß",
    "greek": "αβγΔΩή",
    "cyrillic": "абвЖЯё",
    "arabic": "ابتثجحخدسعفقكلمنهوي",
    "hebrew": "אבגדהוזחטיכלמםנן",
    "devanagari": "कखगनमहिाे",
    "thai": "กขคงจิ่าน",
    "han": "請求書合計金額發票",
    "kana": "あいうカタナ",
    "hangul": "합계금액영수증",
    "digits": "0123456789",
    "arabic digits": "٠١٢٣٤٥",
}
WORDS = st.sampled_from(sorted(SCRIPTS)).flatmap(
    lambda one: st.text(SCRIPTS[one], min_size=1, max_size=6)
)
SEPARATORS = st.sampled_from([" ", " ", " ", ", ", ": ", " (", ") ", "، ", "/", "-"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Words of any scripts beside each other, with punctuation between some."""
    # PDFium sees no line in a single character.
    text = draw(WORDS.filter(lambda word: len(word) > 1))
    for word in draw(st.lists(WORDS, max_size=5)):
        text += draw(SEPARATORS) + word
    return unicodedata.normalize("NFC", text)


def line_box(text: str, y: float = 20) -> Box:
    return box(text, 20, y, 24 * len(text), 40)


def opened(*boxes: Box, words: bool = False) -> Any:
    document = export(Format.PDF, image(*boxes, words=words, image_path=None))
    return pypdfium2.PdfDocument(document)[0]


def extracted(page: Any) -> list[str]:
    return page.get_textpage().get_text_range().split("\r\n")


def extents(page: Any) -> list[tuple[str, float, float]]:
    """Each word as it is extracted, from its left to its right, in pixels of the image."""
    text = page.get_textpage()
    found: list[tuple[str, float, float]] = []
    for word in re.finditer(r"\S+", text.get_text_range()):
        boxes = [text.get_charbox(at) for at in range(word.start(), word.end())]
        left, right = min(one[0] for one in boxes), max(one[2] for one in boxes)
        found.append((word[0], left * DPI / 72, right * DPI / 72))
    return found


@given(st.lists(lines(), min_size=1, max_size=6))
@example(["المبلغ 1,234.56 ريال", "חשבונית מספר 2024-17 (עותק)", "שלום Microsoft Office 2019 עולם"])
@example(
    ["Invoice שלום", "a (שלום עולם) b", "مُحَمَّد", "رقم \u0665\u0660٪ نعم", "https://x.example/a שלום"]
)
def test_what_is_put_in_is_extracted(texts: list[str]) -> None:
    page = opened(*(line_box(text, 20 + 80 * at) for at, text in enumerate(texts)))
    assert extracted(page) == texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("שלום עולם", ["עולם", "שלום"]),
        ("מספר 2024 בלבד", ["בלבד", "2024", "מספר"]),
        ("שלום לכולם Microsoft Office טוב", ["טוב", "Microsoft", "Office", "לכולם", "שלום"]),
        ("the word שלום עולם here", ["the", "word", "עולם", "שלום", "here"]),
        ("المبلغ الإجمالي Total 50 ريال", ["ريال", "Total", "50", "الإجمالي", "المبلغ"]),
        ("請求書 12 αβγ", ["請求書", "12", "αβγ"]),
    ],
)
def test_a_word_is_selected_where_it_is_printed(text: str, shown: list[str]) -> None:
    page = opened(line_box(text))
    assert extracted(page) == [text]
    found = sorted(extents(page), key=lambda one: one[1])
    assert [word for word, _, _ in found] == shown
    assert found[0][1] == pytest.approx(20, abs=1.5)
    assert found[-1][2] == pytest.approx(20 + 24 * len(text), abs=1.5)
    for (_, _, right), (_, left, _) in pairwise(found):
        assert left > right


@pytest.mark.parametrize("turn", [0, 4])
@pytest.mark.parametrize(
    "text", ["מספר 2024 (בלבד), תודה!", "مرحبا بالعالم الكبير", "one two, three", "합계 금액 12"]
)
def test_words_that_are_boxes_make_a_line(text: str, turn: int) -> None:
    words = text.split()
    right_to_left = unicodedata.bidirectional(text[0]) in {"R", "AL"}
    boxes: list[Box] = []
    for at, word in enumerate(words):
        place = len(words) - 1 - at if right_to_left else at
        x = 20 + 170 * place
        boxes.append(box(word, x, 200 - 0.07 * turn / 4 * x, 150, 40, turn))
    page = opened(*boxes, words=True)
    assert extracted(page) == [text]
    for (word, left, right), one in zip(extents(page), boxes, strict=True):
        assert word == one.text
        assert one.extent[0] - 2 <= left <= right <= one.extent[2] + 2


def test_chinese_words_have_a_blank_only_where_there_is_room() -> None:
    near = [box(text, 20 + 50 * at, 20, 40, 40) for at, text in enumerate("請求書の")]
    far = box("金額", 300, 20, 80, 40)
    page = opened(*near, box(" ", 250, 20, 20, 40), far, words=True)
    assert extracted(page) == ["請求書の 金額"]
    (_, _, right), _ = extents(page)
    assert right == pytest.approx(near[-1].extent[2], abs=2)


def poppler(document: bytes, folder: Path) -> list[str]:
    program = shutil.which("pdftotext")
    if program is None:
        not_run("Poppler", "it is not installed; make system-packages, as root, installs it")
    (folder / "a.pdf").write_bytes(document)
    ran = subprocess.run([program, "a.pdf", "-"], cwd=folder, capture_output=True, check=True)
    # It adds embedding controls.
    text = re.sub("[\u202a-\u202e\f]", "", ran.stdout.decode())
    return [line for line in text.split("\n") if line]


def test_poppler_extracts_the_same(tmp_path: Path) -> None:
    alike = ["Grüße, World", "مرحبا بالعالم", "請求書の控え", "합계 금액", "สวัสดี", "Привет, мир"]
    boxes = [box(text, 20, 20 + 80 * at, 18 * len(text), 40) for at, text in enumerate(alike)]
    document = export(Format.PDF, image(*boxes, image_path=None))
    assert poppler(document, tmp_path) == alike
    # In a line with numbers or both directions it puts blanks elsewhere.
    mixed = ["מספר 2024 בלבד", "المبلغ 1,234.56 ريال", "שלום לכולם Microsoft Office טוב"]
    boxes = [box(text, 20, 20 + 80 * at, 18 * len(text), 40) for at, text in enumerate(mixed)]
    document = export(Format.PDF, image(*boxes, image_path=None))
    found = poppler(document, tmp_path)
    assert [line.replace(" ", "") for line in found] == [line.replace(" ", "") for line in mixed]
