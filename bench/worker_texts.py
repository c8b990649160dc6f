"""How much of what stands on pages was read wrongly."""

from collections.abc import Mapping, Sequence

from accuracy.edits import count_edits
from accuracy.normal import normal
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


def share_wrong(read: Mapping[str, Sequence[str]], drawn: Mapping[str, Sequence[str]]) -> float:
    """Edits that turn what was read into what was drawn, in shares of the latter's characters.

    Both are lines by the file's name, in the order in which they are read; see `accuracy.normal`
    for what counts as the same text.
    """
    pairs = [(_joined(read.get(name, ())), _joined(lines)) for name, lines in drawn.items()]
    return sum(count_edits(*pair) for pair in pairs) / sum(len(true) for _, true in pairs)


def _joined(lines: Sequence[str]) -> str:
    return normal(" ".join(lines), " ")
