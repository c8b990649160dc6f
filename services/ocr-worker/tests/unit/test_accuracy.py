"""What the default engine makes of pages with known text: a short share of `make bench-accuracy`.

Each class of pages has its gate in `classes.toml`. A page or two of a class have 800 characters, so
that three wrong ones are more than 0.3 %. So the gate holds for all pages of the classes that have
the same one, and each class may be above it by no more than such a handful.
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
from ocrstream_worker.engines.port import Engine, EngineSettings, Recognition, RecognitionOptions

# All pages are read before the first test of them.
pytestmark = pytest.mark.timeout(300)

TABLE = load_table()
SHORT = [kind for kind in TABLE.classes if kind.short]
HANDFUL = 5


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = create_engine(EngineSettings())
    engine.warm_up()
    return engine


def read(engine: Engine, page: Page) -> list[ReadBox]:
    pixels = Decoder(DecodeLimits()).decode(page.content)
    (outcome,) = engine.recognize([pixels], [RecognitionOptions()])
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


@pytest.fixture(scope="module")
def scores(engine: Engine) -> dict[str, tuple[Score, list[tuple[str, str]]]]:
    """What was made of each class, and what was read wrongly."""
    found: dict[str, tuple[Score, list[tuple[str, str]]]] = {}
    for kind in SHORT:
        total, wrong = Score(), list[tuple[str, str]]()
        for page in pages(kind):
            boxes = read(engine, page)
            total += score_page(page, boxes)
            wrong += read_wrongly(page, boxes)
        found[kind.name] = total, wrong
    return found


def wrong_characters(kind: PageClass, score: Score) -> int:
    return score.edits if kind.ordered else score.unordered_edits


@pytest.mark.parametrize("kind", SHORT, ids=lambda kind: kind.name.replace(" ", "-"))
def test_text_is_right(
    scores: dict[str, tuple[Score, list[tuple[str, str]]]], kind: PageClass
) -> None:
    score, wrong = scores[kind.name]
    assert kind.gate is not None
    allowed = kind.gate / 100 * score.characters + HANDFUL
    assert wrong_characters(kind, score) <= allowed, wrong[:5]
    # One line in a thousand may be, and these are fewer.
    assert score.turned_wrongly == 0, wrong[:5]


@pytest.mark.parametrize("gate", sorted({kind.gate or 0 for kind in SHORT}))
def test_the_gate_holds_for_all_pages_that_have_it(
    scores: dict[str, tuple[Score, list[tuple[str, str]]]], gate: float
) -> None:
    of_gate = [(kind, *scores[kind.name]) for kind in SHORT if kind.gate == gate]
    characters = sum(score.characters for _, score, _ in of_gate)
    edits = sum(wrong_characters(kind, score) for kind, score, _ in of_gate)
    assert characters > 1_000
    assert 100 * edits / characters <= gate, [wrong[:3] for _, _, wrong in of_gate]


def test_a_page_that_nobody_has_seen(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """Only reports: one page of chance is no gate."""
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
