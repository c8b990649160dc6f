"""What the default engine makes of pages with known text: a short share of `make bench-accuracy`.

Each class of pages has its gate in `classes.toml`.
"""

import secrets
from collections.abc import Iterator

import numpy as np
import pytest
from accuracy.fonts import FontMissing
from accuracy.generator import draw_page
from accuracy.scoring import ReadBox, Score, read_wrongly, score_page
from accuracy.table import PageClass, load_table
from accuracy.truth import Page
from not_run import not_run

from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import Engine, EngineSettings, ReadOptions, Recognition

TABLE = load_table()
SHORT = [kind for kind in TABLE.classes if kind.short]


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = create_engine(EngineSettings())
    engine.warm_up()
    return engine


def read(engine: Engine, page: Page) -> list[ReadBox]:
    pixels = Decoder(DecodeLimits()).decode(page.content)
    (outcome,) = engine.recognize([pixels], [ReadOptions()])
    assert isinstance(outcome, Recognition), outcome
    return [ReadBox(box.text, box.confidence, np.array(box.bbox)) for box in outcome.boxes]


def pages(kind: PageClass) -> Iterator[Page]:
    for number in range(kind.short):
        try:
            yield draw_page(kind, number, TABLE.seed)
        except FontMissing as error:
            not_run("pages with known text", error)


def test_the_share_is_large_enough() -> None:
    assert sum(kind.short for kind in SHORT) >= 40
    assert all(kind.gate is not None for kind in SHORT)


@pytest.mark.parametrize("kind", SHORT, ids=lambda kind: kind.name.replace(" ", "-"))
def test_text_is_right(engine: Engine, kind: PageClass) -> None:
    total, wrong = Score(), list[tuple[str, str]]()
    for page in pages(kind):
        boxes = read(engine, page)
        total += score_page(page, boxes)
        wrong += read_wrongly(page, boxes)
    assert kind.gate is not None
    cer = total.cer if kind.ordered else total.unordered_cer
    assert cer <= kind.gate, f"line by line {total.unordered_cer:.2f} %, wrong: {wrong[:5]}"
    # One in a thousand may be, and these are fewer.
    assert total.turned_wrongly == 0, wrong[:5]


def test_a_page_that_nobody_has_seen(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """Only reports: what it finds goes into the table's seed or the issue list, not into a gate."""
    seed = secrets.randbelow(2**31)
    kind = SHORT[seed % len(SHORT)]
    try:
        page = draw_page(kind, 0, seed)
    except FontMissing as error:
        not_run("pages with known text", error)
    score = score_page(page, read(engine, page))
    with capsys.disabled():
        print(
            f"\n{kind.name}, seed {seed} ({page.variant}): characters wrong {score.cer:.2f} %,"
            f" line by line {score.unordered_cer:.2f} %"
        )
    assert score.characters > 0
