"""What a text's letters say about its direction."""

import enum
import unicodedata

# Where each block of Han and kana begins and ends; Unicode's names of the blocks are the source.
_CJK = (
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3041, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana Phonetic Extensions
    (0x3400, 0x4DBF),  # CJK Unified Ideographs Extension A
    (0x4E00, 0x9FFF),  # CJK Unified Ideographs
    (0xF900, 0xFAFF),  # CJK Compatibility Ideographs
    (0x20000, 0x323AF),  # CJK Unified Ideographs Extensions B to H
)


class TextDirection(enum.Enum):
    """Which way a text's letters run; `NEUTRAL` has none that say it, as numbers have."""

    LEFT_TO_RIGHT = enum.auto()
    RIGHT_TO_LEFT = enum.auto()
    NEUTRAL = enum.auto()


def count_strong_letters(text: str) -> tuple[int, int]:
    """How many letters run from left to right, and how many from right to left.

    They are the strong types of the Unicode Bidirectional Algorithm (UAX #9): L; R and AL.
    """
    if text.isascii():
        return sum(map(str.isalpha, text)), 0
    types = [unicodedata.bidirectional(character) for character in text]
    return types.count("L"), types.count("R") + types.count("AL")


def majority_direction(left_to_right: int, right_to_left: int) -> TextDirection:
    """The direction of the majority of letters."""
    if left_to_right == right_to_left:
        return TextDirection.NEUTRAL
    return (
        TextDirection.LEFT_TO_RIGHT
        if left_to_right > right_to_left
        else TextDirection.RIGHT_TO_LEFT
    )


def is_cjk(text: str) -> bool:
    """Whether half of the letters and more are Han or kana, which may be written downwards."""
    letters = [ord(character) for character in text if character.isalpha()]
    found = sum(any(low <= letter <= high for low, high in _CJK) for letter in letters)
    return found > 0 and 2 * found >= len(letters)
