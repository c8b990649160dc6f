"""What was found, class by class, and what is asked of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from accuracy.scoring import DECILES, Score
from accuracy.table import load_table
from report import Row

DEFAULT = "rapidocr"
LIMITS = {DEFAULT: "limit", "tesseract": "tesseract limit"}
"""The readers that something is asked of, and those that tell what their recognisers can do."""

_UNREADABLE = 50.0


@dataclass(frozen=True)
class Found:
    """What one reader made of one set of pages. `worst`: its worst page, and how wrong it is.

    `seconds` and `cpu_seconds` are of one worker, or process, for a page.
    """

    name: str
    reader: str
    score: Score
    pages: int
    ordered: bool
    gate: float | None
    seconds: float
    cpu_seconds: float
    turns: bool
    readable: bool
    worst: str

    @property
    def cer(self) -> float:
        """In reading order where there is one, else line by line."""
        return self.score.cer if self.ordered else self.score.unordered_cer


Results = Mapping[str, Mapping[str, Found]]
"""By set of pages, then by reader."""


def target(of_set: Mapping[str, Found], reader: str) -> float | None:
    """The most that a reader may get wrong; None if nothing is asked of it.

    The class's own gate and what the reader's limit says: the default engine keeps the lower one.
    Tesseract keeps the higher one, since its recogniser reads many a class worse than the gate, and
    nothing is asked of it where it has not got the characters.
    """
    if reader not in LIMITS:
        return None
    asked = [] if (gate := of_set[reader].gate) is None else [gate]
    if (limit := of_set.get(LIMITS[reader])) is not None:
        if reader != DEFAULT and limit.cer > _UNREADABLE:
            return None
        asked.append(limit.cer + load_table().limit_slack)
    return (min if reader == DEFAULT else max)(asked, default=None)


def asked_rows(results: Results) -> list[Row]:
    """What is asked of the engines."""
    return [
        row for reader in LIMITS for row in (*_gates(results, reader), *_turned(results, reader))
    ]


def other_rows(results: Results) -> list[Row]:
    """Everything else, reader by reader."""
    return [*_calibration(results), *_figures(results)]


def _gates(results: Results, reader: str) -> Iterator[Row]:
    for name, of_set in results.items():
        if reader not in of_set:
            continue
        found, most = of_set[reader], target(of_set, reader)
        how = "in reading order" if found.ordered else "line by line"
        limit = of_set.get(LIMITS[reader])
        yield Row(
            f"{name}, {reader}: characters wrong {how} (at most), beside its recogniser on true"
            " crops",
            round(found.cer, 3),
            "%",
            baseline=None if limit is None else round(limit.cer, 3),
            target=None if most is None else round(most, 3),
            met=None if most is None else found.cer <= most,
        )


def turned_wrongly(results: Results, reader: str) -> tuple[int, int]:
    """How many lines the reader has the wrong way up, of how many; none if it does not tell.

    Lines in writing that the default engine has not got look alike to it either way up.
    """
    read = [of_set[reader] for of_set in results.values() if reader in of_set]
    scores = [found.score for found in read if found.turns and found.readable]
    return sum(one.turned_wrongly for one in scores), sum(one.lines_matched for one in scores)


def _turned(results: Results, reader: str) -> Iterator[Row]:
    table = load_table()
    wrong, lines = turned_wrongly(results, reader)
    if not lines:
        return
    share = 100 * wrong / lines
    # Of too few lines a share says nothing.
    enough = lines >= table.turned_lines_least
    yield Row(
        f"{reader}: lines turned wrongly, of {lines:,} (at most)",
        round(share, 3),
        "%",
        target=table.turned_wrongly_gate,
        met=share <= table.turned_wrongly_gate if enough else None,
    )


def _calibration(results: Results) -> Iterator[Row]:
    for number, (count, right) in enumerate(deciles(results, DEFAULT)):
        if count:
            span = f"{number / DECILES:.1f} to {(number + 1) / DECILES:.1f}"
            share = round(100 * right / count, 2)
            yield Row(f"boxes right, of {count:,} with a confidence of {span}", share, "%")


def deciles(results: Results, reader: str) -> Sequence[tuple[int, int]]:
    """How many boxes a reader has in each tenth of confidence, and how many of them are right."""
    scores = [of_set[reader].score for of_set in results.values() if reader in of_set]
    return sum(scores, Score()).deciles


def _figures(results: Results) -> Iterator[Row]:
    for name, of_set in results.items():
        for reader, found in of_set.items():
            yield from _figures_of(f"{name}, {reader}, {found.pages} pages", found)


def _figures_of(what: str, found: Found) -> Iterator[Row]:
    score = found.score
    yield Row(f"{what}: characters wrong in reading order", round(score.cer, 3), "%")
    yield Row(f"{what}: characters wrong line by line", round(score.unordered_cer, 3), "%")
    if score.words:
        yield Row(f"{what}: words wrong", round(score.wer, 3), "%")
    for pieces, there, met in (
        ("lines", score.lines_matched and score.lines, score.lines_found),
        ("words", score.word_boxes, score.word_boxes_found),
    ):
        if there:
            yield Row(f"{what}: {pieces} found (IoU 0.5)", round(100 * met / there, 2), "%")
    yield Row(f"{what}: time a page", round(found.seconds, 3), "s")
    yield Row(f"{what}: CPU time a page", round(found.cpu_seconds, 3), "s")
