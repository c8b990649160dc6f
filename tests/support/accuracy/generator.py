"""From a class, a number and a seed to a page: the same one every time."""

import zlib
from dataclasses import replace

import numpy as np

from accuracy.effects import EFFECTS
from accuracy.fonts import x_share
from accuracy.formats import FORMATS
from accuracy.geometry import perspective, skew
from accuracy.layouts import LAYOUTS
from accuracy.sheet import Colour, Style
from accuracy.table import PageClass, load_table
from accuracy.texts import Text
from accuracy.truth import Drawing, Page

_GOLDEN = (5**0.5 - 1) / 2
# Ink on paper, of a contrast of at least 4.5 to 1 (WCAG).
_COLOURS: tuple[tuple[Colour, Colour], ...] = (
    ((140, 20, 20), (255, 250, 225)),
    ((250, 240, 120), (20, 60, 130)),
    ((10, 70, 40), (200, 235, 205)),
    ((255, 255, 255), (170, 30, 40)),
    ((60, 30, 110), (245, 225, 245)),
    ((230, 245, 255), (50, 80, 60)),
)


def draw_page(kind: PageClass, number: int, seed: int) -> Page:
    """Page `number` of the class. Raises FontMissing."""
    own = zlib.crc32(kind.name.encode())
    rng = np.random.default_rng([seed, own, number])
    fonts = load_table().fonts[kind.fonts]
    # Classes begin with different ones, and a font comes again in another language.
    turn = own + number
    font_name = fonts[turn % len(fonts)]
    language = kind.languages[(turn + turn // len(fonts)) % len(kind.languages)]
    text = Text(language, rng)
    style = _style(kind, number, font_name, text)
    drawing = LAYOUTS[kind.layout](style, text)
    degrees = _within(kind.skew, number + 1) * (-1) ** number
    turns = kind.quarter_turns[number % len(kind.quarter_turns)]
    drawing = _moved(drawing, kind, degrees, rng).turned(turns)
    pixels = EFFECTS[kind.effect](drawing.pixels, style.x_height, rng)
    format_name = kind.formats[number % len(kind.formats)]
    suffix, encode = FORMATS[format_name]
    said = [language, font_name, f"x {style.x_height:.1f}"]
    said += [f"skew {degrees:+.1f}"] if degrees else []
    said += [format_name] if len(kind.formats) > 1 else []
    return Page(
        name=f"{kind.name}-{number}".replace(" ", "_"),
        variant=", ".join(said),
        content=encode(pixels),
        suffix=suffix,
        lines=drawing.lines,
        joiner=text.joiner,
        ordered=kind.ordered,
        language=language,
    )


def _style(kind: PageClass, number: int, font_name: str, text: Text) -> Style:
    x_height = _within(kind.x_height, number)
    leading = float(text.rng.uniform(*kind.leading))
    style = Style(
        font_name,
        x_height,
        pitch=leading * x_height / x_share(font_name),
        joiner=text.joiner,
        right_to_left=text.right_to_left,
    )
    if kind.coloured:
        ink, paper = _COLOURS[number % len(_COLOURS)]
        return replace(style, ink=ink, paper=paper)
    return style


def _within(bounds: tuple[float, float], number: int) -> float:
    """A value for the page's number: the first pages of a class are spread over its range, too."""
    least, most = bounds
    return least + (most - least) * ((0.1 + number * _GOLDEN) % 1)


def _moved(drawing: Drawing, kind: PageClass, degrees: float, rng: np.random.Generator) -> Drawing:
    height, width = drawing.pixels.shape[:2]
    if degrees:
        matrix, new_height, new_width = skew(degrees, height, width)
        return drawing.warped(matrix, new_height, new_width)
    if kind.perspective:
        offsets = rng.uniform(0, kind.perspective, (4, 2))
        return drawing.warped(perspective(offsets, height, width), height, width)
    return drawing
