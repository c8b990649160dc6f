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
RECORDING = "integration/test_recording.py"
SIZES = "unit/test_transaction_size.py"
LOST_SESSIONS = "integration/test_computing_too_long.py"
SEARCH = "integration/test_search.py"
SEARCH_INDEXER = "unit/test_search_indexer.py"


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
        "recording/chain_rows.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_tasks_of_a_chain_end_at_once",
    ),
    Mutant(
        "batches not locked",
        "recording/batch_rows.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_images_of_a_batch_end_at_once",
    ),
    Mutant(
        "images not locked",
        "recording/image_rows.py",
        "FOR NO KEY UPDATE",
        "",
        f"{WRITERS}::test_two_results_of_a_path_come_at_once",
    ),
    Mutant(
        "new chains unsorted",
        "recording/chain_rows.py",
        'ORDER BY r.chain_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_new_chains_are_inserted_in_one_order",
    ),
    Mutant(
        "chains locked unsorted",
        "recording/chain_rows.py",
        'ORDER BY chain_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_chains_are_locked_in_one_order",
    ),
    Mutant(
        "images locked unsorted",
        "recording/image_rows.py",
        'ORDER BY image_path COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_images_are_locked_in_one_order",
    ),
    Mutant(
        "batches locked unsorted",
        "recording/batch_rows.py",
        'ORDER BY batch_id COLLATE "C"',
        "ORDER BY random()",
        f"{WRITERS}::test_batches_are_locked_in_one_order",
    ),
    Mutant(
        "images counted blindly",
        "recording/batch_counts.py",
        "in ((before, -1), (after, 1)):",
        "in ((after, 1),):",
        LEDGERS,
    ),
    Mutant(
        "chunks counted blindly",
        "recording/batch_counts.py",
        "in ((before, batch.outcome_before, -1), (now, batch.outcome, 1)):",
        "in ((now, batch.outcome, 1),):",
        LEDGERS,
    ),
    Mutant(
        "a revision for nothing",
        "recording/batch_rows.py",
        "if name not in _INTERNAL",
        "if name",
        f"{STORE}::test_what_nobody_sees_tells_nobody",
    ),
    Mutant(
        "no revision for a reopened batch",
        "recording/batch_counts.py",
        "(batch.outcome_before.ended or batch.outcome.ended)",
        "batch.outcome.ended",
        LEDGERS,
    ),
    Mutant(
        "the first event about a task holds",
        "rules/task.py",
        "holder = self if mine > theirs else other",
        "holder = self",
        RULES,
    ),
    Mutant(
        "the first description holds",
        "rules/description.py",
        "return my_rank > their_rank",
        "return True",
        RULES,
    ),
    Mutant(
        "a refused image waits",
        "rules/row_changes.py",
        "if event.refused is not None:",
        "if False:",
        RULES,
    ),
    Mutant(
        "the first announcement holds",
        "rules/batch.py",
        "greatest(self.announced_total, other.announced_total)",
        "other.announced_total if self.announced_total is None else self.announced_total",
        RULES,
    ),
    Mutant(
        "the first batch owns a chain",
        "rules/chain.py",
        "least(self.batch_id, other.batch_id)",
        "self.batch_id or other.batch_id",
        RULES,
    ),
    Mutant(
        "the first result in a poll holds its path",
        "rules/image.py",
        "return self if self.key >= other.key else other",
        "return self",
        RULES,
    ),
    Mutant(
        "the first result in the table holds its path",
        "recording/image_rows.py",
        "image.key > RegisterKey(",
        "False and RegisterKey(",
        LEDGERS,
    ),
    Mutant(
        "the last result in the table holds its path",
        "recording/image_rows.py",
        "image.key > RegisterKey(",
        "True or RegisterKey(",
        LEDGERS,
    ),
    Mutant(
        "what read an image decides nothing",
        "rules/image.py",
        "[*content, provenance]",
        "content",
        RULES,
    ),
    Mutant(
        "the attempt is not of the provenance",
        "rules/row_changes.py",
        "stored_form(event.provenance, event.attempt)",
        "stored_form(event.provenance, 1)",
        RULES,
    ),
    Mutant(
        "a result leaves the provenance of the one before",
        "recording/image_rows.py",
        "SET {assignments(_COLUMNS)}",
        "SET {assignments({k: v for k, v in _COLUMNS.items() if k != 'provenance'})}",
        LEDGERS,
    ),
    Mutant(
        "a dead letter above a real outcome",
        "rules/task.py",
        "_UNFINISHED, _DEAD_LETTERED, _REVOKED, _FAILED, _SUCCEEDED = range(5)",
        "_UNFINISHED, _REVOKED, _FAILED, _SUCCEEDED, _DEAD_LETTERED = range(5)",
        RULES,
    ),
    Mutant(
        "offsets outside of the transaction",
        "recording/poll_transaction.py",
        "offsets.advance(cursor, cluster_id, spans)",
        "cursor.execute('COMMIT'); offsets.advance(cursor, cluster_id, spans);"
        " cursor.execute('BEGIN')",
        f"{STORE}::test_a_poll_is_written_once",
    ),
    Mutant(
        "offsets without a fence",
        "database/offsets.py",
        "AND o.next_offset = r.begin",
        "",
        f"{STORE}::test_a_poll_is_written_once",
    ),
    Mutant(
        "a record is known whenever it was written",
        "rules/fingerprints.py",
        '\\0{ref.timestamp_ms}"\n    bound = bounding_ms(ref, recorded_ms)\n',
        '"\n    bound = 0\n',
        f"{KNOWN}::test_an_equal_record_in_another_place_or_time_is_another",
    ),
    Mutant(
        "forged origin headers lift the bound on times",
        "recording/decoding.py",
        "decode(record.topic, record.value, ref, record.timestamp)",
        "decode(record.topic, record.value, ref)",
        f"{RECORDING}::test_a_result_that_claims_2099_holds_its_path_for_minutes",
    ),
    Mutant(
        "a record is known by its chain",
        "recording/decoding.py",
        "if record_fingerprint in known:",
        "if known:",
        LEDGERS,
    ),
    Mutant(
        "a record is known though its poll was rolled back",
        "recording/poll_transaction.py",
        "if stored.keys() != wanted:",
        "cursor.execute('COMMIT'); cursor.execute('BEGIN')\n    if stored.keys() != wanted:",
        f"{KNOWN}::test_what_was_not_committed_is_not_known",
    ),
    Mutant(
        "a dead letter is known",
        "recording/decoding.py",
        "return DecodedRecord(record, changes_of_dead_letter(image), rejection)",
        "changes = changes_of_dead_letter(image)\n"
        "    mark = fingerprint(record.topic, record.value, record_ref(record), record.timestamp)\n"
        "    changes = msgspec.structs.replace(changes, fingerprint=mark)\n"
        "    return DecodedRecord(record, changes, rejection)",
        f"{KNOWN}::test_what_became_a_dead_letter_is_decoded_again",
    ),
    Mutant(
        "a transaction never grows again",
        "database/transaction_size.py",
        "elif took_s <= aim_s:",
        "elif False:",
        f"{SIZES}::test_it_settles_where_a_transaction_is_fast_enough",
    ),
    Mutant(
        "a transaction does not shrink after a failure",
        "database/transaction_size.py",
        "self._shrink_to(records // 2)",
        "pass",
        f"{SIZES}::test_after_a_failure_it_is_half_at_most_and_one_at_least",
    ),
    Mutant(
        "a transaction does not shrink after a slow one",
        "database/transaction_size.py",
        "self._shrink_to(int(records * aim_s / took_s))",
        "pass",
        f"{SIZES}::test_after_one_that_took_too_long_as_many_follow_as_are_fast_enough",
    ),
    Mutant(
        "a transaction grows beyond what was seen",
        "database/transaction_size.py",
        "min(self.most, 2 * records)",
        "self.most",
        f"{SIZES}::test_success_never_shrinks_it_and_grows_it_by_what_was_seen",
    ),
    Mutant(
        "a lost session says nothing of the next poll",
        "recording/poll_write.py",
        "size.failed(count)",
        "pass",
        f"{LOST_SESSIONS}::test_a_poll_whose_session_somebody_ends_is_halved",
    ),
    Mutant(
        "a poll is written whole whatever fits",
        "recording/poll_write.py",
        "records[: size.next]",
        "records",
        f"{LOST_SESSIONS}::test_a_poll_whose_session_somebody_ends_is_halved",
    ),
    Mutant(
        "of a poll in parts only the first is written",
        "recording/poll_write.py",
        "if written < len(records):",
        "if False:",
        f"{LOST_SESSIONS}::test_a_poll_whose_session_somebody_ends_is_halved",
    ),
    Mutant(
        "the next poll begins amid one in parts",
        "recording/poll_write.py",
        "if ends_poll:",
        "if True:",
        f"{LOST_SESSIONS}::test_a_poll_that_lost_its_session_is_halved_and_grows_again",
    ),
    Mutant(
        "a public path goes to the least row, which may hold another",
        "recording/image_rows.py",
        """AND r.public_path IS NULL
    WHERE NOT EXISTS (SELECT FROM ocr_executions h WHERE h.public_path = w.public_path)
    ORDER BY w.public_path COLLATE "C", w.id
) g
WHERE o.id = g.id""",
        """
    WHERE NOT EXISTS (SELECT FROM ocr_executions h WHERE h.public_path = w.public_path)
    ORDER BY w.public_path COLLATE "C", w.id
) g
WHERE o.id = g.id AND o.public_path IS NULL""",
        f"{STORE}::test_a_free_public_path_is_granted_however_the_polls_are_split",
    ),
    Mutant(
        "a row that holds a public path takes another",
        "recording/image_rows.py",
        "AND r.public_path IS NULL",
        "",
        f"{STORE}::test_an_image_keeps_the_public_path_that_it_holds",
    ),
    Mutant(
        "keys of what an image said before are written",
        "search/index.py",
        "if version != image.version:",
        "if False:",
        f"{SEARCH}::test_what_was_replaced_after_it_was_read_is_read_again",
    ),
    Mutant(
        "what was replaced is taken off the queue",
        "search/index.py",
        "            continue\n        done += image.queued",
        "            done += image.queued\n            continue\n        done += image.queued",
        f"{SEARCH}::test_what_was_replaced_after_it_was_read_is_read_again",
    ),
    Mutant(
        "a batch of before is written with an image's keys",
        "search/index.py",
        "SELECT o.id, o.version, c.batch_id",
        "SELECT o.id, o.version, NULL",
        f"{SEARCH}::test_the_batch_of_an_image_is_asked_for_when_its_keys_are_written",
    ),
    Mutant(
        "the session that indexes idles while it computes",
        "search/indexer.py",
        "                    await self._observe_polls()",
        "                    pass",
        f"{LOST_SESSIONS}::test_what_takes_long_to_index_is_indexed",
    ),
    Mutant(
        "what could not be indexed is tried whole again",
        "search/indexer.py",
        "self._size.failed(self._limit)",
        "pass",
        f"{SEARCH_INDEXER}::test_what_fails_is_tried_in_halves_and_grows_again",
    ),
    Mutant(
        "indexing stays as small as once it had to be",
        "search/indexer.py",
        "self._size.committed(len(queued), written.took_s)",
        "pass",
        f"{SEARCH_INDEXER}::test_what_fails_is_tried_in_halves_and_grows_again",
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
    (copy / PACKAGE.name / "recording" / "poll_transaction.py").write_text(
        "raise AssertionError('the copy')\n"
    )
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
