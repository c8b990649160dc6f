"""How much the text of two readings differs."""

from collections.abc import Mapping, Sequence

import numpy as np
from fleet import Batch

from ocrstream_schemas.events import OcrSucceeded


def texts_by_file(batch: Batch) -> dict[str, list[str]]:
    """The lines of text that workers read, by the file's name."""
    return {
        outcome.image_path.rpartition("/")[2]: [box.text for box in outcome.boxes]
        for outcomes in batch.outcomes.values()
        for outcome in outcomes
        if isinstance(outcome, OcrSucceeded)
    }


def error_rate(texts: Mapping[str, Sequence[str]], truth: Mapping[str, Sequence[str]]) -> float:
    """Edits that turn the one into the other, in shares of the characters of `truth`."""
    edits = sum(
        _edits("\n".join(texts.get(name, ())), "\n".join(true)) for name, true in truth.items()
    )
    return edits / sum(len("\n".join(true)) for true in truth.values())


def _edits(one: str, other: str) -> int:
    """Levenshtein's distance, a row at a time."""
    letters = np.array([ord(letter) for letter in other], dtype=np.int64)
    places = np.arange(len(other) + 1)
    row = places.copy()
    for number, letter in enumerate(one, start=1):
        changed = np.empty_like(row)
        changed[0] = number
        changed[1:] = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        # What is inserted costs one for each place, from the best place before it.
        row = np.minimum.accumulate(changed - places) + places
    return int(row[-1])
