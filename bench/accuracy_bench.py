"""How right the text is: `make bench-accuracy`.

Pages with known text are read by the default engine through Kafka and real workers, and by what it
is held against. What was read is kept in `.local/bench-accuracy`, so a run that was broken off goes
on where it was, and only what has changed is read again.
"""

import argparse
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from accuracy.scoring import Score, read_wrongly
from accuracy.table import load_table
from accuracy_gates import DEFAULT, Found, asked_rows, other_rows
from accuracy_pages import PageSet, drawn_set, packaged_scans, real_set
from accuracy_pipeline import pipeline
from accuracy_plot import svg
from accuracy_readers import EngineInProcess, Limit, Reader, as_read_boxes
from accuracy_readings import KnownReadings
from accuracy_table import markdown
from accuracy_tools import BareRapidOcr, BareTesseract, TesseractLimit
from report import RESULTS, machine, publish, say, write

from ocrstream_worker.engines.port import EngineName

_PICTURE = Path(__file__).parents[1] / "docs" / "images" / "accuracy.svg"
# What engines are held against reads fewer pages of a class, and words are asked of few.
_SAMPLE = 3
_WORD_PAGES = 2

_NOTES = (
    "CER: characters wrong, of those that are there; by line: in whatever order lines come.",
    "Lines and words found: with an IoU of 0.5 or more.",
    f"Words are asked of {_WORD_PAGES} pages of a class, of Tesseract's own command of all.",
    "The sum of lines turned wrongly has none of writing that the default engine has not got.",
    f"Readers beside the default engine and the limit read {_SAMPLE} pages of a class at most.",
    "Times are of one worker or process of one thread, of RapidOCR() on all cores.",
)

Opener = Callable[[], AbstractContextManager[Reader]]


@contextmanager
def _opened(make: Callable[[], Reader]) -> Generator[Reader]:
    yield make()


def _openers(roots: Sequence[str], *, in_process: bool) -> dict[str, tuple[Opener, int | None]]:
    """How each reader is had, and how many pages of a class it reads at most."""

    def engine(name: EngineName) -> Opener:
        if in_process:
            return partial(_opened, partial(EngineInProcess, name))
        return partial(pipeline, name, roots)

    return {
        DEFAULT: (engine(DEFAULT), None),
        "limit": (partial(_opened, Limit), None),
        "RapidOCR()": (partial(_opened, BareRapidOcr), _SAMPLE),
        "tesseract": (engine("tesseract"), _SAMPLE),
        "tesseract --psm 1": (partial(_opened, partial(BareTesseract, 1)), _SAMPLE),
        "tesseract --psm 3": (partial(_opened, partial(BareTesseract, 3)), _SAMPLE),
        "tesseract limit": (partial(_opened, TesseractLimit), _SAMPLE),
    }


def _read_set(pages: PageSet, name: str, known: KnownReadings, *, turns: bool) -> Found:
    readings = known.of(pages.files, _WORD_PAGES)
    scores: list[Score] = []
    for file, reading in zip(pages.files, readings, strict=True):
        words = None if reading.words is None else as_read_boxes(reading.words)
        scores.append(file.score(as_read_boxes(reading.boxes), words))
    wrong = [score.cer if pages.ordered else score.unordered_cer for score in scores]
    worst = max(range(len(wrong)), key=wrong.__getitem__)
    file = pages.files[worst]
    return Found(
        name=pages.name,
        reader=name,
        score=sum(scores, Score()),
        pages=len(scores),
        ordered=pages.ordered,
        gate=pages.gate,
        seconds=sum(one.seconds for one in readings) / len(readings),
        cpu_seconds=sum(one.cpu_seconds for one in readings) / len(readings),
        turns=turns,
        readable=pages.readable,
        worst=f"{file.name} ({file.variant}) {wrong[worst]:.2f} %",
    )


def _differences(pages: PageSet, known: KnownReadings) -> None:
    """Prints what was read wrongly: the true text, and below it what was read of it."""
    for file, reading in zip(pages.files, known.of(pages.files, 0), strict=True):
        if file.drawn is None:
            continue
        for true, told in read_wrongly(file.drawn, as_read_boxes(reading.boxes)):
            print(f"  {file.name} ({file.variant})\n    {true!r}\n    {told!r}")


def _sets(asked: argparse.Namespace) -> list[PageSet]:
    table = load_table()
    wanted = None if asked.classes is None else asked.classes.split(",")
    kinds = [kind for kind in table.classes if wanted is None or kind.name in wanted]
    if wanted is not None and len(kinds) < len(wanted):
        raise SystemExit(f"Classes are: {', '.join(kind.name for kind in table.classes)}")
    sets: list[PageSet] = []
    for kind in kinds:
        say(f"Pages: {kind.name}")
        sets.append(drawn_set(kind, asked.pages_per_class, asked.seed))
    for folder, transcriptions, name in (
        (asked.real, "real_scans.json", "real scans"),
        (packaged_scans(), "packaged_scans.json", "scikit-image"),
    ):
        if folder is not None and wanted is None:
            sets.append(real_set(folder, transcriptions, name))
    return [pages for pages in sets if pages.files]


def _read(asked: argparse.Namespace, sets: Sequence[PageSet]) -> dict[str, dict[str, Found]]:
    roots = [str(file.path.parent) for pages in sets for file in pages.files]
    openers = _openers(list(dict.fromkeys(roots)), in_process=asked.in_process)
    results: dict[str, dict[str, Found]] = {pages.name: {} for pages in sets}
    names = asked.engines.split(",") if asked.engines else list(openers)
    if not openers.keys() >= set(names):
        raise SystemExit(f"Engines are: {', '.join(openers)}")
    for name in names:
        opener, most = openers[name]
        with opener() as reader:
            known = KnownReadings(name, reader)
            for pages in sets:
                if reader.needs_places and not pages.drawn:
                    continue
                part = replace(pages, files=pages.files[:most]) if pages.drawn else pages
                found = _read_set(part, name, known, turns=reader.turns)
                results[pages.name][name] = found
                say(f"{name}, {pages.name}: {found.cer:.2f} %, {found.seconds:.2f} s a page")
                if asked.lines:
                    _differences(part, known)
    return results


def main() -> None:
    table = load_table()
    parser = argparse.ArgumentParser(description="Measure how right the text is")
    parser.add_argument("--real", type=Path, help="a folder of scans that have been transcribed")
    parser.add_argument("--classes", help="names of classes, separated by commas; all others wait")
    parser.add_argument("--pages-per-class", type=int, help="at most so many of each class")
    parser.add_argument("--engines", help="names of readers, separated by commas")
    parser.add_argument("--seed", type=int, default=table.seed)
    parser.add_argument("--held-out", action="store_true", help="pages of the other seed")
    parser.add_argument("--in-process", action="store_true", help="engines without Kafka")
    parser.add_argument("--lines", action="store_true", help="print what was read wrongly")
    asked = parser.parse_args()
    if asked.real is not None and not asked.real.is_dir():
        raise SystemExit(f"There is no folder {asked.real}")
    if asked.held_out:
        asked.seed = table.held_out_seed
    say(f"Seed {asked.seed}")
    results = _read(asked, _sets(asked))
    notes = [f"Seed {asked.seed}. {machine()}.", *_NOTES]
    if asked.real is None:
        notes.append('No real scans: ARGS="--real FOLDER" reads some.')
    if packaged_scans() is None:
        notes.append(
            "No page of scikit-image: `.venv/bin/uv pip install --no-deps scikit-image` brings one."
        )
    told = markdown(results, notes)
    print(told)
    whole = not (asked.classes or asked.pages_per_class or asked.engines or asked.in_process)
    if asked_rows(results):
        publish("accuracy", asked_rows(results), keep=False)
    if whole and asked.seed == table.seed:
        write("accuracy", [*asked_rows(results), *other_rows(results)])
        (RESULTS / "accuracy.md").write_text(told, encoding="utf-8")
        _PICTURE.write_text(svg(results), encoding="utf-8")


if __name__ == "__main__":
    main()
