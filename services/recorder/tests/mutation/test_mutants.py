"""The write path broken on purpose, one rule at a time: a test must see each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import ocrstream_recorder

ROOT = Path(__file__).parents[4]
PACKAGE = Path(ocrstream_recorder.__file__).parent
TIMEOUT_S = 600

RULES = "unit/test_rules.py::test_states_are_what_the_events_say"
LEDGERS = "integration/test_ledgers.py"
WRITERS = "integration/test_writers.py"
STORE = "integration/test_store.py"
KNOWN = "integration/test_known_records.py"


class Mutant(NamedTuple):
    """`old`, which stands once in `module`, becomes `new`; `seen_by` must then fail."""

    name: str
    module: str
    old: str
    new: str
    seen_by: str


MUTANTS = (
    Mutant(
        "chains not locked",
        "store/chains.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_tasks_of_a_chain_end_at_once",
    ),
    Mutant(
        "batches not locked",
        "store/batches.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_images_of_a_batch_end_at_once",
    ),
    Mutant(
        "images not locked",
        "store/images.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_results_of_a_path_come_at_once",
    ),
    Mutant(
        "new chains unsorted",
        "store/chains.py",
        'ORDER BY r.chain_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_new_chains_are_inserted_in_one_order",
    ),
    Mutant(
        "chains locked unsorted",
        "store/chains.py",
        'ORDER BY chain_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_chains_are_locked_in_one_order",
    ),
    Mutant(
        "images locked unsorted",
        "store/images.py",
        'ORDER BY image_path COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_images_are_locked_in_one_order",
    ),
    Mutant(
        "batches locked unsorted",
        "store/batches.py",
        'ORDER BY batch_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_batches_are_locked_in_one_order",
    ),
    Mutant(
        "images counted blindly",
        "store/batch_step.py",
        "in ((before, -1), (after, 1)):",
        "in ((after, 1),):",
        LEDGERS,
    ),
    Mutant(
        "chunks counted blindly",
        "store/batch_step.py",
        "in ((before, batch.was, -1), (now, batch.outcome, 1)):",
        "in ((now, batch.outcome, 1),):",
        LEDGERS,
    ),
    Mutant(
        "a revision for nothing",
        "store/batches.py",
        "if name not in _INTERNAL",
        "if name",
        f"{STORE}::test_what_nobody_sees_tells_nobody",
    ),
    Mutant(
        "no revision for a reopened batch",
        "store/batch_step.py",
        "(batch.was.ended or batch.outcome.ended)",
        "batch.outcome.ended",
        LEDGERS,
    ),
    Mutant(
        "the first event about a task holds",
        "domain/task.py",
        "holder = self if mine > theirs else other",
        "holder = self",
        RULES,
    ),
    Mutant(
        "the first description holds",
        "domain/description.py",
        "return my_rank > their_rank",
        "return True",
        RULES,
    ),
    Mutant(
        "the first announcement holds",
        "domain/batch.py",
        "greatest(self.announced_total, other.announced_total)",
        "other.announced_total if self.announced_total is None else self.announced_total",
        RULES,
    ),
    Mutant(
        "the first batch owns a chain",
        "domain/chain.py",
        "least(self.batch_id, other.batch_id)",
        "self.batch_id or other.batch_id",
        RULES,
    ),
    Mutant(
        "the first result in a poll holds its path",
        "domain/image.py",
        "return self if self.key >= other.key else other",
        "return self",
        RULES,
    ),
    Mutant(
        "the first result in the table holds its path",
        "store/images.py",
        "images[path].key > key",
        "False",
        LEDGERS,
    ),
    Mutant(
        "the last result in the table holds its path",
        "store/images.py",
        "images[path].key > key",
        "True",
        LEDGERS,
    ),
    Mutant(
        "what read an image decides nothing",
        "domain/image.py",
        "[*content, provenance]",
        "content",
        RULES,
    ),
    Mutant(
        "the attempt is not of the provenance",
        "domain/contribution.py",
        "stored_form(told, event.attempt)",
        "stored_form(told, 1)",
        RULES,
    ),
    Mutant(
        "a result leaves the provenance of the one before",
        "store/images.py",
        'SET {assignments(_UPDATED, "id")}',
        "SET {assignments({k: v for k, v in _UPDATED.items() if k != 'provenance'}, \"id\")}",
        LEDGERS,
    ),
    Mutant(
        "a dead letter above a real outcome",
        "domain/task.py",
        "_UNFINISHED, _DEAD_LETTERED, _REVOKED, _FAILED, _SUCCEEDED = range(5)",
        "_UNFINISHED, _REVOKED, _FAILED, _SUCCEEDED, _DEAD_LETTERED = range(5)",
        RULES,
    ),
    Mutant(
        "offsets outside of the transaction",
        "store/poll.py",
        "offsets.advance(cursor, cluster_id, spans)",
        "cursor.execute('COMMIT'); offsets.advance(cursor, cluster_id, spans);"
        " cursor.execute('BEGIN')",
        f"{STORE}::test_a_poll_is_written_once",
    ),
    Mutant(
        "offsets without a fence",
        "store/offsets.py",
        "AND o.next_offset = r.begin",
        "",
        f"{STORE}::test_a_poll_is_written_once",
    ),
    Mutant(
        "a record is known whenever it was written",
        "domain/folded.py",
        "\\0{ref.timestamp_ms}",
        "",
        f"{KNOWN}::test_an_equal_record_in_another_place_or_time_is_another",
    ),
    Mutant(
        "a record is known by its chain",
        "intake.py",
        "if mark in known:",
        "if known:",
        LEDGERS,
    ),
    Mutant(
        "a record is known though its poll was rolled back",
        "store/poll.py",
        "if stored.keys() != wanted:",
        "cursor.execute('COMMIT'); cursor.execute('BEGIN')\n    if stored.keys() != wanted:",
        f"{KNOWN}::test_what_was_not_committed_is_not_known",
    ),
    Mutant(
        "a dead letter is known",
        "intake.py",
        "return Judged(record, contribute_dead_letter(salvaged), rejection)",
        "said = contribute_dead_letter(salvaged)\n"
        "    mark = fingerprint(record.topic, record.value, record_ref(record))\n"
        "    return Judged(record, msgspec.structs.replace(said, fingerprint=mark), rejection)",
        f"{KNOWN}::test_what_became_a_dead_letter_is_judged_again",
    ),
)


def mutated(mutant: Mutant) -> str:
    """The module's text, broken; it must be the text that the mutant was written for."""
    text = (PACKAGE / mutant.module).read_text(encoding="utf-8")
    count = text.count(mutant.old)
    assert count == 1, f"{mutant.module} holds it {count} times: {mutant.old}"
    return text.replace(mutant.old, mutant.new)


def run(copy: Path, seen_by: list[str], postgres_url: str) -> subprocess.CompletedProcess[str]:
    """Run tests on the package in `copy`."""
    tests = [str(Path(__file__).parents[1] / node) for node in seen_by]
    options = ["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "OCRSTREAM_TEST_POSTGRES_URL": postgres_url,
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that holds a copy of the package."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=ignored)
    return tmp_path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_fit_the_code(mutant: Mutant) -> None:
    assert mutated(mutant)


@pytest.mark.deep
@pytest.mark.integration
def test_the_copy_is_what_runs(copy: Path, postgres_url: str) -> None:
    (copy / PACKAGE.name / "store" / "poll.py").write_text("raise AssertionError('the copy')\n")
    ran = run(copy, [f"{STORE}::test_a_poll_is_written_once"], postgres_url)
    assert "the copy" in ran.stdout


@pytest.mark.deep
@pytest.mark.integration
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_an_unbroken_copy_passes(copy: Path, postgres_url: str) -> None:
    ran = run(copy, sorted({mutant.seen_by for mutant in MUTANTS}), postgres_url)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.deep
@pytest.mark.integration
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_seen(mutant: Mutant, copy: Path, postgres_url: str) -> None:
    (copy / PACKAGE.name / mutant.module).write_text(mutated(mutant), encoding="utf-8")
    ran = run(copy, [mutant.seen_by], postgres_url)
    assert ran.returncode == 1, ran.stdout
    assert "\nFAILED " in ran.stdout, ran.stdout
