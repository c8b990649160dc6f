"""How much the text of two readings differs."""

from collections.abc import Mapping, Sequence

from accuracy.edits import count_edits
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
        count_edits("\n".join(texts.get(name, ())), "\n".join(true)) for name, true in truth.items()
    )
    return edits / sum(len("\n".join(true)) for true in truth.values())
