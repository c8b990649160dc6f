"""How texts are compared in a search, and the numbers by which images that may match are found.

All comparing is done on normalized text.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from enum import StrEnum
from operator import add
from typing import TypeVar
from zlib import crc32

from ocrstream_recorder.search.normalization import image_texts

GRAM_BITS = 20
"""Grams are numbers of so many bits; two that share one only cost a look at an image in vain."""

_MASK = (1 << 32) - 1
_SHIFT = 32 - GRAM_BITS
# Odd numbers drawn once: multiply-shift hashing. By how many characters a run has.
_FACTORS = {
    1: (0x165667B1,),
    2: (0x27D4EB2F, 0x85EBCA77),
    3: (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D),
    4: (0x2C1B3C6D, 0x297A2D39, 0x7FEB352D, 0x846CA68B),
}
_REACH = max(_FACTORS) - 1
_RUNS_ASKED = 5
_LONG_RUNS_ASKED = 3
_MOST_KEPT = 100_000


ItemT = TypeVar("ItemT")


class SearchMode(StrEnum):
    """`substring` finds the query anywhere; `word` only where whole words are it."""

    SUBSTRING = "substring"
    WORD = "word"


def grams_of_image(texts: Sequence[str]) -> set[int]:
    """What an image is found by, from the texts of its boxes in reading order."""
    first, *others = image_texts(texts)
    grams = grams_of_text(first.text)
    for other in others:
        # Elsewhere the texts are the same.
        for place in other.wraps:
            grams |= grams_of_text(other.text[max(0, place - _REACH) : place + _REACH])
    return grams


def grams_of_text(text: str) -> set[int]:
    """The grams of a normalized text: of its runs of one to three characters, and half of those of
    four.
    """
    # Put together so, it takes two thirds of the time that slices or tuples do.
    twos = list(map(add, text, text[1:]))
    runs = {*text, *twos, *map(add, twos, text[2:])}
    long_runs = set(map(add, twos, twos[2:]))
    return {*map(_gram_of, runs), *filter(_is_kept, map(_gram_of, long_runs))}


def grams_of_query(query: str) -> set[int]:
    """What every text that holds this normalized query has among its grams.

    Some of its runs, spread over it: each is looked for, and few are enough to tell texts apart.
    """
    if not query:
        return set()
    long_runs = (query[at : at + 4] for at in range(len(query) - 3))
    width = min(3, len(query))
    runs = [query[at : at + width] for at in range(len(query) - width + 1)]
    rare = _spread(list(filter(_is_kept, map(_gram_of, long_runs))), _LONG_RUNS_ASKED)
    # These too: a single run of four is in far more images than the query.
    return {*rare, *map(_gram_of, _spread(runs, _RUNS_ASKED - len(rare)))}


def _spread(items: Sequence[ItemT], at_most: int) -> list[ItemT]:
    """So many of the items, from the first to the last."""
    count = min(at_most, len(items))
    return [items[number * (len(items) - 1) // max(1, count - 1)] for number in range(count)]


def _is_kept(gram: int) -> bool:
    """Whether images are found by a run of four with this gram.

    Half of them cost half as much to index, and few queries have none.
    """
    return gram % 2 == 0


def gram_of_batch(batch_id: str) -> int:
    """What all images of a batch are found by."""
    return crc32(batch_id.encode("utf-8", "surrogatepass")) >> _SHIFT


def matching_boxes(
    texts: Sequence[str],
    confidences: Sequence[float],
    query: str,
    mode: SearchMode,
    min_confidence: float = 0.0,
) -> list[int]:
    """Which of an image's boxes its matches of a normalized query lie in, in reading order.

    A match may go over several boxes; it counts if each has the confidence.
    """
    found: set[int] = set()
    for one in image_texts(texts):
        for start in _occurrences(one.text, query, mode):
            touched = one.boxes_of(start, start + len(query))
            if all(confidences[number] >= min_confidence for number in touched):
                found.update(touched)
    return sorted(found)


def _occurrences(text: str, query: str, mode: SearchMode) -> Iterator[int]:
    start = text.find(query)
    while query and start >= 0:
        end = start + len(query)
        if mode is SearchMode.SUBSTRING or (_parts(text, start) and _parts(text, end)):
            yield start
        start = text.find(query, start + 1)


def _parts(text: str, place: int) -> bool:
    """Whether a word may begin or end here: at an edge, or beside what is no part of a word.

    Scripts that set no space between words tell of no words: there, it may anywhere.
    """
    if place in {0, len(text)}:
        return True
    before, after = text[place - 1], text[place]
    if unicodedata.category(after)[0] == "M":
        return False  # a mark belongs to the letter before it
    return not (_in_word(before) and _in_word(after)) or _unspaced(before) or _unspaced(after)


def _in_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LNM"


def _unspaced(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _UNSPACED)


# Thai and Lao, Tibetan, Myanmar, Khmer, kana, Han with its extensions.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x0F00, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class _Grams(dict[str, int]):
    """The grams of runs, computed once each as long as there are not too many."""

    def __missing__(self, run: str) -> int:
        if len(self) >= _MOST_KEPT:
            self.clear()
        codes = map(ord, run)
        total = sum(code * factor for code, factor in zip(codes, _FACTORS[len(run)], strict=True))
        return self.setdefault(run, (total & _MASK) >> _SHIFT)


# Of hundreds of runs in an image all but a few have been seen before.
_gram_of = _Grams().__getitem__
