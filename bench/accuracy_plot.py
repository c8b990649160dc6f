"""The accuracy bench's figures as a picture: a row a class, a mark a reader, a bar what may be."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from accuracy_gates import DEFAULT, Results, target

_LEFT, _WIDTH, _TOP, _ROW = 170, 620, 70, 19
_LEAST, _MOST = 0.03, 100.0
# Colours that people who see few of them tell apart (Okabe and Ito), and shapes besides.
_MARKS = (
    ("#0072b2", "circle"),
    ("#000000", "line"),
    ("#d55e00", "square"),
    ("#009e73", "triangle"),
    ("#cc79a7", "cross"),
    ("#e69f00", "circle"),
    ("#56b4e9", "square"),
)


def svg(results: Results) -> str:
    """Characters wrong, in percent, on a scale of powers of ten; 0 is at its left end."""
    readers = list(dict.fromkeys(reader for of_set in results.values() for reader in of_set))
    marks = dict(zip(readers, _MARKS, strict=False))
    height = _TOP + _ROW * len(results) + 20
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 30} {height}"'
            ' font-family="sans-serif" font-size="11">'
        ),
        '<rect width="100%" height="100%" fill="#fff"/>',
        (
            f'<text x="{_LEFT}" y="16" font-size="13">Characters wrong, %, by class of pages'
            " (the bar is what may be)</text>"
        ),
        *_legend(marks),
        *_scale(height),
    ]
    for number, (name, of_set) in enumerate(results.items()):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        most = target(of_set, DEFAULT) if DEFAULT in of_set else None
        if most is not None:
            parts.append(
                f'<rect x="{_LEFT}" y="{y - 7}" width="{_x(most) - _LEFT:.1f}" height="14"'
                ' fill="#dcefdc"/>'
            )
        for reader, found in reversed(list(of_set.items())):
            parts.append(_mark(*marks[reader], _x(found.cer), y))
    return "\n".join([*parts, "</svg>", ""])


def _x(percent: float) -> float:
    clipped = min(max(percent, _LEAST), _MOST)
    span = math.log10(_MOST) - math.log10(_LEAST)
    return _LEFT + _WIDTH * (math.log10(clipped) - math.log10(_LEAST)) / span


def _legend(marks: dict[str, tuple[str, str]]) -> Iterator[str]:
    x = float(_LEFT)
    for reader, mark in marks.items():
        yield _mark(*mark, x, 34)
        yield f'<text x="{x + 8}" y="38">{escape(reader)}</text>'
        x += 24 + 6.2 * len(reader)


def _scale(height: int) -> Iterator[str]:
    for percent in (_LEAST, 0.1, 0.3, 1, 3, 10, 30, 100):
        x = _x(percent)
        name = "0" if percent == _LEAST else f"{percent:g}"
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{height - 16}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{_TOP - 10}" text-anchor="middle">{name}</text>'


def _mark(colour: str, shape: str, x: float, y: float) -> str:
    drawn = {
        "circle": f'<circle cx="{x:.1f}" cy="{y}" r="4.5" fill="{colour}"/>',
        "square": f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" fill="{colour}"/>',
        "triangle": f'<path d="M{x - 5:.1f} {y + 4}h10l-5 -9z" fill="{colour}"/>',
        "line": f'<path d="M{x:.1f} {y - 7}v14" stroke="{colour}" stroke-width="2"/>',
        "cross": f'<path d="M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8" stroke="{colour}" fill="none"/>',
    }
    return drawn[shape]
