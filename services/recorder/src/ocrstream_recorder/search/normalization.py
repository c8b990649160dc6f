"""The form in which texts are compared in a search: print and keyboard give the same characters.

Text in it is NFKC and case folded. Quotation marks and dashes are those of ASCII. It lacks what
shows no difference to a reader: soft hyphens, zero-width characters, Arabic tatweel and vowel
signs. Arabic letters are those of Lucene's ArabicNormalizer: alef without hamza or madda, yeh for
alef maksura, heh for teh marbuta. Every run of white space is one blank, and none stands beside
Chinese or Japanese or after a hyphen within a word, where lines end.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ocrstream_layout.scripts import SET_SOLID

# Marks that no text in a database has, and that no character joins with: the end of a box with a
# blank after it, and without; and a hyphen that was left out.
_END, _CLOSED_END, _LEFT_OUT = "\0", "\ud800", "\ud801"
_MARKS = re.compile(f"([{_END}{_CLOSED_END}{_LEFT_OUT}])")

_DASHES = "\u058a\u05be\u2010-\u2015\u2043\u2053\u207b\u208b\u2212\u2e3a\u2e3b\ufe58\ufe63"
_SINGLE_QUOTES = "\u00b4\u02b9\u02bb\u02bc\u02bd\u2018-\u201b\u2032\u2035\u2039\u203a\u275b\u275c"
_DOUBLE_QUOTES = "\u00ab\u00bb\u02ba\u201c-\u201f\u2033\u2036\u275d\u275e\u301d-\u301f"
# Without a width of their own: joiners, directional marks, variation selectors; and tatweel with
# the Arabic vowel signs.
_UNSEEN = (
    "\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef\u0640\u064b-\u0652"
)


def _characters(ranges: str) -> list[int]:
    """The code points of a character class; only its dashes between two characters are special."""
    found = (part.split("-") for part in re.findall(".-.|.", ranges, re.DOTALL))
    return [code for part in found for code in range(ord(part[0]), ord(part[-1]) + 1)]


_REPLACEMENTS: dict[int, str] = {
    **dict.fromkeys(_characters(_DASHES), "-"),
    **dict.fromkeys(_characters(_SINGLE_QUOTES), "'"),
    **dict.fromkeys(_characters(_DOUBLE_QUOTES), '"'),
    **dict.fromkeys(_characters(_UNSEEN), ""),
    **dict.fromkeys(map(ord, "\u0622\u0623\u0625"), "\u0627"),
    ord("\u0649"): "\u064a",
    ord("\u0629"): "\u0647",
}
_REPLACED = re.compile(f"[{''.join(map(chr, _REPLACEMENTS))}]")
_SOFT_HYPHEN = "\u00ad"
_LETTER, _PUNCTUATION = r"[^\W\d_]", rf"[^\w\s{_END}]"
_SOFT_HYPHEN_AT_END = re.compile(rf"(?<={_LETTER}){_SOFT_HYPHEN}(?=[\s{_END}])")
# A hyphen within a word at a line's end; after a digit it may be a minus or part a range.
_WRAP = re.compile(rf"(?<={_LETTER})-([ {_END}])(?={_LETTER})")
# Normal form has made full-width punctuation ASCII.
_SOLID_GAP = re.compile(
    rf"(?<=[{SET_SOLID}])[ {_END}](?=[{SET_SOLID}]|{_PUNCTUATION})"
    rf"|(?<={_PUNCTUATION})[ {_END}](?=[{SET_SOLID}])"
)


@dataclass(frozen=True)
class ImageText:
    """The normalized text of an image; `boxes` are the numbers of those that have text, which
    begins at `starts`. At `wraps` a word goes on whose hyphen was left out.
    """

    text: str
    boxes: list[int]
    starts: list[int]
    wraps: list[int]

    def boxes_of(self, start: int, end: int) -> list[int]:
        """The boxes that the text from `start` to before `end` lies in."""
        first = bisect_right(self.starts, start) - 1
        return self.boxes[first : bisect_right(self.starts, end - 1)]


def normalize(text: str) -> str:
    """The text as it is compared; doing it twice changes nothing more."""
    return image_texts([text])[0].text


def image_texts(texts: Sequence[str]) -> list[ImageText]:
    """The text of an image, from those of its boxes in reading order, in all ways to read it.

    Where a word may be hyphenated at the end of a line, the first way has the hyphen and the second
    has not; without such a place there is only one way.
    """
    folded = " ".join(_fold(_END.join(texts)).split())
    parts = folded.replace(f" {_END}", _END).replace(f"{_END} ", _END).split(_END)
    boxes = [number for number, part in enumerate(parts) if part]
    marked = _END.join(filter(None, parts))
    if not marked.isascii():
        marked = _SOLID_GAP.sub(_close_gap, marked)
    found = [_image_text(_WRAP.sub(lambda wrap: "-" + _closed(wrap[1]), marked), boxes)]
    if _WRAP.search(marked):
        found.append(
            _image_text(_WRAP.sub(lambda wrap: _LEFT_OUT + _closed(wrap[1]), marked), boxes)
        )
    return found


def _image_text(marked: str, boxes: list[int]) -> ImageText:
    place = 0
    starts, wraps = [0], list[int]()
    for number, part in enumerate(_MARKS.split(marked)):
        if number % 2 == 0:
            place += len(part)
        elif part == _LEFT_OUT:
            wraps.append(place)
        else:
            place += part == _END
            starts.append(place)
    text = marked.replace(_END, " ").replace(_CLOSED_END, "").replace(_LEFT_OUT, "")
    return ImageText(text, boxes, starts, wraps)


def _closed(gap: str) -> str:
    return _CLOSED_END if gap == _END else ""


def _close_gap(found: re.Match[str]) -> str:
    # A mark would join with another character.
    return found[0] if unicodedata.combining(found.string[found.end()]) else _closed(found[0])


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    if _SOFT_HYPHEN in text:
        text = _SOFT_HYPHEN_AT_END.sub("-", text).replace(_SOFT_HYPHEN, "")
    folded = _fold_once(text)
    # Folding may undo the normal form, and the form bring characters that fold: U+0345, U+2121.
    while not unicodedata.is_normalized("NFKC", folded) or _REPLACED.search(folded):
        folded = _fold_once(folded)
    return folded


def _fold_once(text: str) -> str:
    # Before the normal form, which takes some quotation marks apart.
    return unicodedata.normalize("NFKC", text.translate(_REPLACEMENTS)).casefold()
