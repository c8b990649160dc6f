"""What the letters of a text tell about its direction and its blanks."""

import enum
import unicodedata

# The first and last code point of each block of Han and kana, by Unicode's block names.
_CJK = (
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana Phonetic Extensions
    (0x3400, 0x4DBF),  # CJK Unified Ideographs Extension A
    (0x4E00, 0x9FFF),  # CJK Unified Ideographs
    (0xF900, 0xFAFF),  # CJK Compatibility Ideographs
    (0x20000, 0x323AF),  # CJK Unified Ideographs Extensions B to H
)
# Blocks of scripts that are set solid, without blanks between words: Han, kana, Bopomofo, and the
# punctuation, letters and digits made for them. Korean has blanks: no block holds Hangul.
_SET_SOLID = (
    (0x2E80, 0x2FDF),  # radicals
    (0x2FF0, 0x2FFF),  # Ideographic Description Characters
    (0x3001, 0x303F),  # CJK Symbols and Punctuation
    (0x3041, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x3190, 0x31FF),  # Kanbun, Bopomofo Extended, CJK Strokes, Katakana Phonetic Extensions
    (0x3220, 0x325F),  # enclosed ideographs and numbers
    (0x3280, 0x33FF),  # the same, and CJK Compatibility
    (0x3400, 0x4DBF),  # CJK Unified Ideographs Extension A
    (0x4E00, 0x9FFF),  # CJK Unified Ideographs
    (0xF900, 0xFAFF),  # CJK Compatibility Ideographs
    (0xFE30, 0xFE4F),  # CJK Compatibility Forms
    (0xFF01, 0xFF9F),  # full-width Latin and punctuation, half-width Katakana
    (0xFFE0, 0xFFE6),  # full-width signs
    (0x1B000, 0x1B16F),  # more kana
    (0x1F200, 0x1F2FF),  # Enclosed Ideographic Supplement
    (0x20000, 0x323AF),  # CJK Unified Ideographs Extensions B to H
)

SET_SOLID = "".join(f"{chr(first)}-{chr(last)}" for first, last in _SET_SOLID)
"""The characters of these blocks, for a class of a regular expression."""


class TextDirection(enum.Enum):
    """The direction of a text's letters; `NEUTRAL` has none that tell, like a number."""

    LEFT_TO_RIGHT = enum.auto()
    RIGHT_TO_LEFT = enum.auto()
    NEUTRAL = enum.auto()


def count_strong_letters(text: str) -> tuple[int, int]:
    """Counts the letters that run from left to right, and from right to left.

    They are the strong types of the Unicode Bidirectional Algorithm (UAX #9): L; R and AL.
    """
    if text.isascii():
        return sum(map(str.isalpha, text)), 0
    types = [unicodedata.bidirectional(character) for character in text]
    return types.count("L"), types.count("R") + types.count("AL")


def majority_direction(left_to_right: int, right_to_left: int) -> TextDirection:
    """The direction of most letters."""
    if left_to_right == right_to_left:
        return TextDirection.NEUTRAL
    return (
        TextDirection.LEFT_TO_RIGHT
        if left_to_right > right_to_left
        else TextDirection.RIGHT_TO_LEFT
    )


def is_cjk(text: str) -> bool:
    """Whether at least half of the letters are Han or kana, which may be written downwards."""
    letters = [ord(character) for character in text if character.isalpha()]
    found = sum(any(low <= letter <= high for low, high in _CJK) for letter in letters)
    return found > 0 and 2 * found >= len(letters)


def is_set_solid(character: str) -> bool:
    """Whether the character's script is set without blanks between words: Chinese, Japanese."""
    return any(low <= ord(character) <= high for low, high in _SET_SOLID)
