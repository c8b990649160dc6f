"""The form in which texts are compared in a search: print and keyboard give the same characters.

Text in it is NFKC and case folded. Quotation marks and dashes are those of ASCII. It lacks what
shows no difference to a reader: soft hyphens, zero-width characters, Arabic tatweel and vowel
signs. Arabic letters are those of Lucene's ArabicNormalizer: alef without hamza or madda, yeh for
alef maksura, heh for teh marbuta. A run of white space is one blank; it is none after a hyphen
within a word, and none between Chinese or Japanese characters, or one of these and punctuation.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from ocrstream_layout.scripts import SET_SOLID

# Marks that no text in a database has, and that no character joins with: the end of a box; that no
# blank follows it; a hyphen that was left out.
_END, _CLOSED, _LEFT_OUT = "\0", "\ud800", "\ud801"

_DASHES = "\u058a\u05be\u2010-\u2015\u2043\u2053\u2212\u2e3a\u2e3b"
_SINGLE_QUOTES = "\u02b9\u02bb\u02bc\u02bd\u2018-\u201b\u2032\u2035\u2039\u203a\u275b\u275c"
_DOUBLE_QUOTES = "\u00ab\u00bb\u02ba\u201c-\u201f\u275d\u275e\u301d-\u301f"
# Without a width of their own: joiners, directional marks, variation selectors; and tatweel with
# the Arabic vowel signs. None is above U+FFFF: expressions with those take ten times as long.
_UNSEEN = (
    "\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\u0640\u064b-\u0652"
)


def _characters(ranges: str) -> list[str]:
    """The characters of a class of a regular expression."""
    found = (map(ord, part.split("-")) for part in re.findall(".-.|.", ranges))
    return [chr(code) for first, *last in found for code in range(first, (last or [first])[0] + 1)]


_REPLACEMENTS: dict[str, str] = {
    **dict.fromkeys(_characters(_DASHES), "-"),
    **dict.fromkeys(_characters(_SINGLE_QUOTES), "'"),
    **dict.fromkeys(_characters(_DOUBLE_QUOTES), '"'),
    **dict.fromkeys(_characters(_UNSEEN), ""),
    **dict.fromkeys("\u0622\u0623\u0625", "\u0627"),
    "\u0649": "\u064a",
    "\u0629": "\u0647",
}
_REPLACED = re.compile(f"[{''.join(_REPLACEMENTS)}]")
# Normal form takes these apart, into other quotation marks and accents.
_TAKEN_APART = {"\u00b4": "'", "\u2033": '"', "\u2036": '"'}
_SOFT_HYPHEN = "\u00ad"
_LETTER = r"[^\W\d_]"
_SOFT_HYPHEN_AT_END = re.compile(rf"(?<={_LETTER}){_SOFT_HYPHEN}(?=[\s{_END}])")

# In the expressions, what is rare stands first: it is looked for fastest.
# A hyphen within a word at a line's end; after a digit it may be a minus or part of a range.
_WRAP = rf"-(?<={_LETTER}-)%s(?={_LETTER})"
_WRAP_AT_END, _WRAP_AT_BLANK = re.compile(_WRAP % _END), re.compile(_WRAP % " ")
# Chinese and Japanese beside each other or beside punctuation: normal form has made that of full
# width ASCII. Marks would join with other characters.
_MARKS = "\u302a-\u302f\u3099\u309a"
_PUNCTUATION = r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e\u20a0-\u20bf\u2190-\u2bff"
_GAP = (
    rf"%s(?:(?<=[{SET_SOLID}].)(?=[{SET_SOLID}{_PUNCTUATION}])(?![{_MARKS}])"
    rf"|(?<=[{_PUNCTUATION}].)(?=[{SET_SOLID}])(?![{_MARKS}]))"
)
_GAP_AT_END = re.compile(_GAP % _END, re.DOTALL)
_GAP_AT_BLANK = re.compile(_GAP % " ")


class ImageText:
    """The normalized text of an image; `boxes` are the numbers of those that have text.

    `marked` has the marks of this module, too.
    """

    def __init__(self, marked: str, boxes: list[int]) -> None:
        self.marked = marked
        self.boxes = boxes
        self.text = marked.replace(_CLOSED + _END, "").replace(_END, " ").replace(_LEFT_OUT, "")

    @cached_property
    def starts(self) -> list[int]:
        """Where each of the boxes begins in the text."""
        parts = self.marked.replace(_LEFT_OUT, "").split(_END)
        lengths = (len(part) + (-1 if part.endswith(_CLOSED) else 1) for part in parts[:-1])
        return list(accumulate(lengths, initial=0))

    @cached_property
    def wraps(self) -> list[int]:
        """Where in the text a word goes on whose hyphen was left out."""
        parts = self.marked.replace(_CLOSED + _END, "").split(_LEFT_OUT)
        return list(accumulate(map(len, parts[:-1])))

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
        marked = _GAP_AT_END.sub(_CLOSED + _END, _GAP_AT_BLANK.sub("", marked))
    found = [ImageText(_with_wraps(marked, "-"), boxes)]
    if found[0].marked != marked:
        found.append(ImageText(_with_wraps(marked, _LEFT_OUT), boxes))
    return found


def _with_wraps(marked: str, hyphen: str) -> str:
    """The text with `hyphen` where a word may go on after a line's end, and no blank there."""
    if "-" not in marked:
        return marked
    wrapped = _WRAP_AT_END.sub(hyphen + _CLOSED + _END, marked)
    return _WRAP_AT_BLANK.sub(hyphen, wrapped)


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    if _SOFT_HYPHEN in text:
        text = _SOFT_HYPHEN_AT_END.sub("-", text).replace(_SOFT_HYPHEN, "")
    for character, replacement in _TAKEN_APART.items():
        text = text.replace(character, replacement)
    while True:
        # Folding may undo the normal form, and the form bring characters that fold: U+0345, U+2121.
        folded = unicodedata.normalize("NFKC", text).casefold()
        text = _REPLACED.sub(_replacement, folded)
        if text == folded and unicodedata.is_normalized("NFKC", text):
            return text


def _replacement(found: re.Match[str]) -> str:
    return _REPLACEMENTS[found[0]]
