"""Joins pieces of text that follow each other on a page, words or lines."""

from collections.abc import Iterable

from ocrstream_layout.scripts import is_set_solid


def join_pieces(texts: Iterable[str]) -> str:
    """One text of the pieces, with what `separator` puts between them; empty ones are left out."""
    joined = ""
    for text in texts:
        joined += (separator(joined, text) + text) if text else ""
    return joined


def separator(before: str, after: str) -> str:
    """What stands between two pieces: a blank, or nothing between Chinese or Japanese characters.

    Nothing, too, beside an empty piece.
    """
    if not before or not after or (is_set_solid(before[-1]) and is_set_solid(after[0])):
        return ""
    return " "
