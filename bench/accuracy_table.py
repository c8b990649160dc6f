"""The accuracy bench's figures as a table for people."""

from accuracy.scoring import DECILES
from accuracy_gates import Found, Results, deciles, target, turned_wrongly

_HEAD = (
    "class",
    "reader",
    "pages",
    "CER, in order",
    "CER, by line",
    "WER",
    "lines found",
    "words found",
    "turned wrongly",
    "s a page",
    "CPU s a page",
    "must be",
    "met",
)


def markdown(results: Results, notes: list[str]) -> str:
    """All figures as Markdown: a row for each class and reader, and the calibration."""
    lines = ["# How right the text is", "", *(f"{note}\n" for note in notes)]
    lines += [_row(_HEAD), _row(["---"] * len(_HEAD))]
    for of_set in results.values():
        for reader, found in of_set.items():
            most = target(of_set, reader)
            lines.append(_row(_cells(found, most)))
    lines += ["", "How many boxes are right, by their confidence:", ""]
    readers = list(dict.fromkeys(reader for of_set in results.values() for reader in of_set))
    lines += [_row(["reader", *(f"{n / DECILES:.1f}-" for n in range(DECILES)), "turned wrongly"])]
    lines += [_row(["---"] * (DECILES + 2))]
    for reader in readers:
        counts = deciles(results, reader)
        shares = [f"{right / count:.1%} of {count:,}" if count else "" for count, right in counts]
        wrong, there = turned_wrongly(results, reader)
        lines.append(_row([reader, *shares, f"{wrong} of {there:,}" if there else ""]))
    return "\n".join(lines) + "\n"


def _cells(found: Found, most: float | None) -> list[str]:
    score = found.score
    return [
        found.name,
        found.reader,
        str(found.pages),
        f"{score.cer:.2f} %",
        f"{score.unordered_cer:.2f} %",
        f"{score.wer:.2f} %" if score.words else "",
        _share(score.lines_found, score.lines_matched and score.lines),
        _share(score.word_boxes_found, score.word_boxes),
        str(score.turned_wrongly) if found.turns and score.lines_matched else "",
        f"{found.seconds:.2f}",
        f"{found.cpu_seconds:.2f}",
        "" if most is None else f"{most:.2f} %",
        "" if most is None else ("yes" if found.cer <= most else f"**no**: {found.worst}"),
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
