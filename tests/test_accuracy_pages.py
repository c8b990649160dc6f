"""Pages with known text: what is said to stand somewhere does, in every class, after every turn."""

import cv2
import msgspec
import numpy as np
import pytest
from accuracy.fonts import FontMissing, load_font
from accuracy.formats import FORMATS
from accuracy.generator import draw_page
from accuracy.geometry import Pixels, Quad
from accuracy.sheet import Style, draw_line
from accuracy.table import PageClass, load_table
from accuracy.texts import words_of
from accuracy.truth import Page
from not_run import not_run
from PIL import ImageFont

from ocrstream_worker.decode import DecodeLimits, Decoder

TABLE = load_table()
NO_SUCH_CHARACTER = "\U0010ffff"
# Ruled lines are ink without text, worn pages have paper that looks like ink.
RULED = {"tables", "receipts", "plans"}
CLEAN = [
    kind
    for kind in TABLE.classes
    if kind.effect in {"none"} and kind.name not in RULED | {"strips", "A4 at 300 dpi"}
]


def draw(kind: PageClass, number: int = 0, seed: int = 7) -> Page:
    try:
        return draw_page(kind, number, seed)
    except FontMissing as error:
        not_run("pages with known text", error)


def decode(page: Page) -> Pixels:
    return Decoder(DecodeLimits()).decode(page.content)


def ink(pixels: Pixels) -> Pixels:
    """1 where it is not paper, whose colour the first pixel of the last row has."""
    paper = np.median(pixels.reshape(-1, 3), axis=0)
    away = np.abs(pixels.astype(int) - paper).max(axis=2)
    return (away > 100).astype(np.uint8)


def has_ink(found: Pixels, quad: Quad) -> bool:
    """Whether there is any within the quad."""
    least = np.maximum(0, np.floor(quad.min(axis=0))).astype(int)
    most = np.ceil(quad.max(axis=0)).astype(int) + 1
    part = found[least[1] : most[1], least[0] : most[0]]
    return bool((part & covered(part.shape, [quad - least], 0)).any())


def covered(shape: tuple[int, ...], quads: list[Quad], margin: int) -> Pixels:
    """1 within the quads and so many pixels around them."""
    mask = np.zeros(shape[:2], dtype=np.uint8)
    for quad in quads:
        cv2.fillPoly(mask, [np.round(quad - 0.5).astype(np.int32)], 1)
    size = 2 * margin + 1
    return np.asarray(cv2.dilate(mask, np.ones((size, size), np.uint8)), dtype=np.uint8)


@pytest.mark.parametrize("kind", CLEAN, ids=lambda kind: kind.name)
def test_words_lie_on_all_the_ink(kind: PageClass) -> None:
    page = draw(kind, 1)
    found = ink(decode(page))
    quads = [word.quad for line in page.lines for word in line.words]
    beside = found & (1 - covered(found.shape, quads, 2))
    assert found.any()
    assert int(beside.sum()) <= 0.001 * found.sum()
    for line in page.lines:
        for word in line.words:
            assert has_ink(found, word.quad), (line.text, word.text)


@pytest.mark.parametrize("kind", CLEAN, ids=lambda kind: kind.name)
def test_lines_are_no_larger_than_their_ink(kind: PageClass) -> None:
    page = draw(kind, 1)
    found = ink(decode(page))
    for line in page.lines:
        middle = line.quad.mean(axis=0)
        # Each side has ink close to it.
        reach = max(
            2.5, 0.15 * min(np.linalg.norm(line.quad[1] - line.quad[0]), _height(line.quad))
        )
        for one in range(4):
            a, b = line.quad[one], line.quad[(one + 1) % 4]
            inwards = middle - (a + b) / 2
            inwards *= reach / np.linalg.norm(inwards)
            side = np.array([a, b, b + inwards, a + inwards])
            assert has_ink(found, side), line.text


def _height(quad: Quad) -> float:
    return float(np.linalg.norm(quad[3] - quad[0]))


@pytest.mark.parametrize("kind", TABLE.classes, ids=lambda kind: kind.name)
def test_all_text_is_on_the_page(kind: PageClass) -> None:
    if kind.name == "plans":
        # A large one is drawn by the bench; its labels are short and far from the border.
        kind = msgspec.structs.replace(kind, formats=("png gray",))
    page = draw(kind)
    height, width = decode(page).shape[:2]
    assert page.lines
    for line in page.lines:
        assert line.text == page.joiner.join(word.text for word in line.words)
        assert (line.quad >= -0.5).all(), line.text
        assert (line.quad <= np.array([width, height]) + 0.5).all(), line.text


@pytest.mark.parametrize("name", ["fonts", "skew", "perspective", "Arabic", "noise"])
def test_a_page_is_the_same_every_time(name: str) -> None:
    kind = TABLE.named(name)
    one, same, other = draw(kind), draw(kind), draw(kind, seed=8)
    assert one.content == same.content
    assert [line.text for line in one.lines] == [line.text for line in same.lines]
    assert [line.text for line in one.lines] != [line.text for line in other.lines]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turn_takes_pixels_and_truth_along(turns: int) -> None:
    kind = TABLE.named("turned by 90")
    straight = draw(msgspec.structs.replace(kind, quarter_turns=(0,)))
    turned = draw(msgspec.structs.replace(kind, quarter_turns=(turns,)))
    pixels, turned_pixels = decode(straight), decode(turned)
    assert (np.rot90(pixels, turns) == turned_pixels).all()
    for line, same in zip(straight.lines, turned.lines, strict=True):
        assert line.text == same.text
        assert (cut(pixels, line.quad) == cut(turned_pixels, same.quad)).all()


def cut(pixels: Pixels, quad: Quad) -> Pixels:
    """What lies in the quad, read from its first corner along its first side."""
    across, down = quad[1] - quad[0], quad[3] - quad[0]
    width, height = round(np.linalg.norm(across)), round(np.linalg.norm(down))
    steps_x, steps_y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    places = quad[0] + steps_x[..., None] * across / width + steps_y[..., None] * down / height
    x, y = np.floor(places[..., 0]).astype(int), np.floor(places[..., 1]).astype(int)
    return pixels[y, x]


@pytest.mark.parametrize("name", sorted({name for names in TABLE.fonts.values() for name in names}))
def test_an_x_has_the_height_that_was_asked_for(name: str) -> None:
    for x_height in (5.0, 12.0, 40.0):
        try:
            strip = draw_line(["x"], Style(name, x_height, 3 * x_height))
        except FontMissing as error:
            not_run("pages with known text", error)
        # Hinting and the hairlines of serifs take or add a little.
        assert _height(strip.line.quad) == pytest.approx(x_height, abs=2.1, rel=0.1)


def test_fonts_have_every_character_of_their_words() -> None:
    languages = {(kind.fonts, language) for kind in TABLE.classes for language in kind.languages}
    for fonts, language in languages:
        characters = sorted(set("".join(words_of(language)) + "0123456789.,:-%()!"))
        for name in TABLE.fonts[fonts]:
            try:
                font = load_font(name, 20)
            except FontMissing as error:
                not_run("pages with known text", error)
            assert [one for one in characters if is_missing(font, one)] == [], (name, language)
    assert is_missing(load_font("Liberation Sans", 20), "\uac00")


def is_missing(font: ImageFont.FreeTypeFont, character: str) -> bool:
    shape, none = (np.asarray(font.getmask(one)) for one in (character, NO_SUCH_CHARACTER))
    return bool(np.array_equal(shape, none))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_shows_the_same_page(name: str) -> None:
    kind = msgspec.structs.replace(TABLE.named("pixel formats"), formats=(name,))
    plain = decode(draw(msgspec.structs.replace(kind, formats=("png",)))).astype(int)
    stored = decode(draw(kind)).astype(int)
    assert stored.shape == plain.shape
    # Of one bit, or of JPEG's compression.
    assert np.abs(stored - plain).mean() < 8


CLEAN_LATIN = {
    *("fonts", "x-height 8-12", "x-height 13-24", "x-height 25-40", "pixel formats", "inverted"),
    *("coloured", "skew", "turned by 90", "turned by 180", "turned by 270", "long lines"),
    *("lines upside down", "lines turned by 90", "line crops", "tight line crops"),
}
DEGRADED = {
    *("x-height 5-7", "blur", "JPEG quality 8", "noise", "low contrast", "uneven light"),
    "perspective",
}
DENSE = {"A4 at 150 dpi", "A4 at 300 dpi", "tables", "receipts", "strips", "plans"}
COLUMNS = {"two columns", "three columns", "Japanese", "vertical Japanese", "Chinese"}
UNREADABLE = {"Korean", "Arabic", "Hebrew"}


def test_gates_are_those_that_were_agreed() -> None:
    agreed = {0.3: CLEAN_LATIN, 1.5: DEGRADED, 0.5: DENSE, 1.0: COLUMNS, None: UNREADABLE}
    assert {kind.name: kind.gate for kind in TABLE.classes} == {
        name: gate for gate, names in agreed.items() for name in names
    }
    assert TABLE.limit_slack == 0.3
    assert TABLE.turned_wrongly_gate == 0.1
