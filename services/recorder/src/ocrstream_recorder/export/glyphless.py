"""A font that draws nothing: invisible text in any script, which readers find and copy.

Its codes are those of the characters themselves, so that one small table maps them. A character is
half as wide as the font is high; one that fills a square is as wide as the font is high. Each width
has one glyph, a line of no thickness across the character's box, from which readers take the
position.
"""

import struct
import zlib
from collections.abc import Iterator

ASCENT = 1000
_HALF, _FULL = 500, 1000
_SQUARE = (
    (0x1100, 0x115F),  # Hangul Jamo
    (0x2E80, 0xA4CF),  # radicals, kana, ideographs, Yi
    (0xA960, 0xA97F),
    (0xAC00, 0xD7A3),  # Hangul
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),  # full-width forms
    (0xD800, 0xDFFF),  # assigned to characters above U+FFFF, see below
    (0xFFE0, 0xFFE6),
)
_HALF_GLYPH, _FULL_GLYPH = 1, 2
# No character has the code of a surrogate, so these codes are assigned to characters above U+FFFF.
_FIRST_SPARE, _LAST_SPARE = 0xD800, 0xDFFF
_REPLACEMENT = 0xFFFD


class GlyphlessFont:
    """The font of one document; it has room for 2,048 characters above U+FFFF."""

    def __init__(self) -> None:
        self._spare: dict[str, int] = {}

    def encode(self, text: str) -> bytes:
        """The text as codes of two bytes, in hexadecimal."""
        return b"".join(b"%04X" % self._code(character) for character in text)

    def width(self, text: str) -> float:
        """The width of the text at a height of 1."""
        return sum(_width(ord(character)) for character in text) / 1000

    def to_unicode(self) -> bytes:
        """The CMap from codes to characters; complete once all text is encoded."""
        # A range may change only the lower byte of a code.
        ranges = [
            b"<%02X00> <%02XFF> <%02X00>" % (high, high, high)
            for high in range(0x100)
            if not _FIRST_SPARE <= high << 8 <= _LAST_SPARE
        ]
        singles = [
            b"<%04X> <%s>" % (code, character.encode("utf-16-be").hex().upper().encode())
            for character, code in self._spare.items()
        ]
        return b"\n".join(
            [
                b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
                b"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def",
                b"/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
                b"1 begincodespacerange <0000> <FFFF> endcodespacerange",
                *_sections(b"bfrange", ranges),
                *_sections(b"bfchar", singles),
                b"endcmap CMapName currentdict /CMap defineresource pop end end",
            ]
        )

    def _code(self, character: str) -> int:
        code = ord(character)
        if _FIRST_SPARE <= code <= _LAST_SPARE:
            return _REPLACEMENT
        if code <= 0xFFFF:
            return code
        if len(self._spare) > _LAST_SPARE - _FIRST_SPARE:
            return self._spare.get(character, _REPLACEMENT)
        return self._spare.setdefault(character, _FIRST_SPARE + len(self._spare))


def widths() -> bytes:
    """The font's `DW` and `W`."""
    squares = b" ".join(b"%d %d %d" % (first, last, _FULL) for first, last in _SQUARE)
    return b"/DW %d /W [%s]" % (_HALF, squares)


def glyph_map() -> bytes:
    """The `CIDToGIDMap`, compressed."""
    glyphs = (_FULL_GLYPH if _is_square(code) else _HALF_GLYPH for code in range(0x10000))
    return zlib.compress(struct.pack(">65536H", *glyphs), 9)


def font_file() -> bytes:
    """A TrueType font of three glyphs, the first of which is never used and empty."""
    glyphs = [b"", _diagonal(_HALF), _diagonal(_FULL)]
    ends = [sum(map(len, glyphs[:number])) // 2 for number in range(len(glyphs) + 1)]
    tables = {
        b"glyf": b"".join(glyphs),
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x00010000, 0x00010000, 0, 0x5F0F3CF5),  # versions, checksum (below), magic
            *(0, 1000, 0, 0),  # flags, units an em, created, modified
            *(0, 0, _FULL, ASCENT),  # the box of all glyphs
            *(0, 8, 2, 0, 0),  # style, least size, direction, short offsets, format
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhh8xhH", 0x00010000, ASCENT, 0, 0, _FULL, 0, 0, _FULL, 1, 0, 0, 0, 3
        ),
        b"hmtx": struct.pack(">HhHhHh", _HALF, 0, _HALF, 0, _FULL, 0),
        b"loca": struct.pack(">4H", *ends),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x00010000, 3, 2, 1, 0, 0, 1, *[0] * 8),
    }
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    head = struct.pack(
        ">IHHHH", 0x00010000, count, power * 16, power.bit_length() - 1, (count - power) * 16
    )
    offset = len(head) + 16 * count
    directory, body = b"", b""
    for tag, table in tables.items():
        padded = table + b"\0" * (-len(table) % 4)
        directory += tag + struct.pack(">III", _checksum(padded), offset + len(body), len(table))
        body += padded
    font = head + directory + body
    adjustment = struct.pack(">I", (0xB1B0AFBA - _checksum(font)) & 0xFFFFFFFF)
    place = font.index(struct.pack(">I", 0x5F0F3CF5)) - 4
    return font[:place] + adjustment + font[place + 4 :]


def _diagonal(width: int) -> bytes:
    contour = struct.pack(">HHBBhhhh", 1, 0, 1, 1, 0, width, 0, ASCENT)
    return struct.pack(">hhhhh", 1, 0, 0, width, ASCENT) + contour


def _width(code: int) -> int:
    return _FULL if _is_square(code) else _HALF


def _is_square(code: int) -> bool:
    return code > 0xFFFF or any(first <= code <= last for first, last in _SQUARE)


def _sections(kind: bytes, lines: list[bytes]) -> Iterator[bytes]:
    for start in range(0, len(lines), 100):
        some = lines[start : start + 100]
        yield b"%d begin%s\n%s\nend%s" % (len(some), kind, b"\n".join(some), kind)


def _checksum(table: bytes) -> int:
    return sum(struct.unpack(f">{len(table) // 4}I", table)) & 0xFFFFFFFF
