"""What the documents tell their reader to type, typed."""

import ast
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from PIL import Image
from real_servers import CACHE, LOCAL, discard

from ocrstream_local.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[1]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
TIMEOUT_S = 300

# What a reader would wait for before he goes on to ask for results.
WAIT_FOR_LETTERS = """
for _ in $(seq 200); do
    if [ "$(.venv/bin/ocrstream status letters --json | grep -c '"status": "SUCCESS"')" = 1 ]; then
        break
    fi
    sleep 0.2
done
"""


PRODUCE = """
set -a; . .local/stack.env; set +a
.venv/bin/python - <<'PYTHON'
import asyncio, os
from aiokafka import AIOKafkaProducer

async def main():
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait("images.submitted", VALUE)

asyncio.run(main())
PYTHON
"""


def commands(document: Path) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def checkout() -> Generator[Path]:
    """The project as a reader has it, but with a `.local` of its own."""
    folder = LOCAL / f"documents-{os.getpid()}"
    (folder / ".local").mkdir(parents=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    (folder / ".local" / "cache").symlink_to(CACHE)
    for name in ("Makefile", "libs", "services", "deploy", "samples", "requirements", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    yield folder
    run(folder, "make down")
    discard(PostgresServer(folder / ".local" / "postgres", CACHE, folder / "log", 0))
    shutil.rmtree(folder)


def run(folder: Path, script: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(Path.home()),
    }
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n---\n{ran.stdout}"
    return ran.stdout


def test_the_readmes_commands_do_what_it_says(checkout: Path) -> None:
    blocks = commands(ROOT / "README.md")
    demo, test, *usage = blocks
    assert test == "make test\n"
    shown = run(checkout, demo)
    assert "All 32 samples have the expected results" in shown
    assert "Time: installation" in shown
    assert "Nothing was started" in run(checkout, "make status")

    query = next(block for block in usage if "/v1/batches/letters" in block)
    script = "\n".join(WAIT_FOR_LETTERS + block if block == query else block for block in usage)
    said = run(checkout, script)
    assert "8 images submitted" in said
    assert "worker-3 is ready" in said
    assert "batch letters: SUCCESS, 100 % of 9 images" in said
    assert '"next_cursor"' in said
    assert "Mairie de la commune" in said
    assert "processes stopped" in said


def test_the_commands_for_operators_work(checkout: Path) -> None:
    stack, by_hand, submitting, reprocessing, older, secret, *register = commands(
        ROOT / "docs" / "operations.md"
    )
    skipping, look, redrive, folding = register
    assert "processes stopped" in run(checkout, stack)
    run(checkout, "make up WORKERS=1 ENGINE=noop")
    assert "already there" in run(checkout, by_hand)

    image = checkout / ".local" / "samples" / "a.png"
    Image.new("RGB", (40, 20), "white").save(image)
    assert "whsec_" in run(checkout, secret + "echo $OCRSTREAM_WEBHOOK_SECRET")
    submitted = run(checkout, submitting)
    assert submitted.count('"links"') == 4, submitted
    run_until(checkout, ".venv/bin/ocrstream status letters-1 --json || true", "letters-1")
    # No worker of the stack reads its lane, so nothing is there to be read again.
    assert "0 images with 0 boxes would be reprocessed" in run(checkout, reprocessing)
    assert "would be reprocessed" in run(checkout, older)
    broken = {"image_path": image.as_uri(), "batch_id": "redriven", "index": "one"}
    run(checkout, PRODUCE.replace("VALUE", repr(json.dumps(broken).encode())))
    listing = ".venv/bin/ocrstream dlq list --batch redriven --json"
    listed = json.loads(run_until(checkout, listing, "redriven"))
    letter = str(listed["id"])
    assert '"redriven"' in run(checkout, re.sub(r"\b7\b", letter, look))
    ask = ". .local/stack.env; curl --silent --show-error $RECORDER_URL/v1/batches/redriven/images"
    assert '"dead_lettered"' in run_until(checkout, ask, '"FAILURE"')

    corrected = json.dumps({"image_path": image.as_uri(), "batch_id": "redriven", "index": 1})
    example = """'{"image_path": "file:///data/a.png", "batch_id": "b", "index": 3}'"""
    assert example in redrive
    lines = re.sub(r"\b7\b", letter, redrive.replace(example, f"'{corrected}'")).splitlines()
    both, by_topic, with_value, drop = lines
    assert "there is no such dead letter" in run(checkout, f"{both} || test $? = 1")
    run(checkout, with_value)
    answer = json.loads(run_until(checkout, ask, '"SUCCESS"'))
    assert [image["status"] for image in answer["items"]] == ["SUCCESS"]
    run(checkout, by_topic)
    run(checkout, drop)

    environment = skipping.splitlines(keepends=True)[0]
    for skip in (skipping, environment + folding):
        skipped = run(
            checkout, skip.replace("ocr.results 7", f"{listed['topic']} {listed['partition']}")
        )
        assert "goes on at 0, where it stood at" in skipped


def test_the_read_api_answers_what_its_page_asks(checkout: Path) -> None:
    (asking,) = commands(ROOT / "docs" / "read-api.md")
    run(checkout, "make up WORKERS=1 ENGINE=noop")
    image = checkout / "a.png"
    Image.new("RGB", (40, 20), "white").save(image)
    send = f"curl -sS -F files=@{image} -F batch_id=letters -F first_index=0 $INGEST_URL/v1/images"
    run(checkout, f". .local/stack.env; {send}")
    run_until(checkout, ".venv/bin/ocrstream status letters --json || true", '"SUCCESS"')
    answers = [json.loads(line) for line in run(checkout, asking).splitlines()]
    assert len(answers) == asking.count("\nask ")
    listed, batch, images, chunks, failures, chains, retried, slowest, *rest = answers
    summary, results, warned, stats = rest
    assert listed["items"] == [batch]
    assert batch["status"] == "SUCCESS"
    assert [one["status"] for one in images["items"]] == ["SUCCESS"]
    assert [one["status"] for one in chunks["items"]] == ["completed"]
    assert failures["items"] == retried["items"] == []
    assert slowest["items"][0]["chain_id"] == chains["items"][0]["chain_id"]
    assert summary["items"][0]["by_status"] == {"SUCCESS": 1}
    assert results["items"][0]["image_path"] == images["items"][0]["image_path"]
    assert warned["items"] == []
    assert sum(bucket["completed_images"] for bucket in stats["items"]) == 1


def run_until(folder: Path, script: str, expected: str) -> str:
    deadline = time.monotonic() + 30
    while expected not in (shown := run(folder, script)):
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    return shown


def test_no_document_has_a_command_that_is_not_run() -> None:
    # The pages about the client and exports are run in test_client_page.py, that about releasing
    # in test_wheels.py.
    tested = {
        ROOT / "README.md",
        *(
            ROOT / "docs" / name
            for name in ("operations.md", "client.md", "exports.md", "read-api.md", "releasing.md")
        ),
    }
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        assert document in tested or not commands(document), document
        blocks = re.findall(r"^ *```(.*)\n", document.read_text(encoding="utf-8"), re.M)
        # `bash compose`: run by test_compose_runs.py where the tests' servers are containers.
        known = {"", "bash", "bash compose", "mermaid", "python", "sql"}
        assert set(blocks[::2]) <= known, document
        assert not any(blocks[1::2]), document


def tracked_texts() -> Iterator[tuple[Path, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        # A file that was removed, but not yet from the index, has nothing to check.
        if path.is_file():
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture or an archive


def test_links_lead_somewhere() -> None:
    notes = (ROOT / "bench" / "results").glob("*.md")
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *notes]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_a_newcomers_questions_lead_to_files_that_answer_them() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition("### Ten questions")[2].partition("\n## ")[0]
    answers = re.findall(r"^\| .+\? \| .*?\]\((\S+)\).* \| `(\w+)` \|$", table, re.M)
    assert len(answers) == 10
    for path, name in answers:
        assert name in (ROOT / path).read_text(encoding="utf-8"), f"{path}: {name}"


def promises() -> list[str]:
    """What holds: each row of the table and each paragraph behind it."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    table, *paragraphs = page.partition("\n## ")[0].strip().split("\n\n")[2:]
    _head, _line, *rows = table.splitlines()
    assert all(one.startswith("**") and "\n**" not in one for one in paragraphs)
    return rows + paragraphs


def functions_of(module: Path) -> set[str]:
    parsed = ast.parse(module.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in parsed.body if isinstance(one, functions)}


def test_every_promise_names_tests_that_are_there() -> None:
    page = ROOT / "docs" / "guarantees.md"
    modules = dict(re.findall(r"^\[(.+)\]: (.+)$", page.read_text(encoding="utf-8"), re.M))
    used = set[str]()
    for promise in promises():
        proofs = re.findall(r"\[([^]]+)\]\[([^]]+)\]", promise)
        assert proofs, f"nothing proves: {promise}"
        for told, module in proofs:
            name = "_".join(["test", *told.split()])
            assert name in functions_of(page.parent / modules[module]), f"{name}: {promise}"
            used.add(module)
    assert used == modules.keys()


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.stem)
def test_a_decision_is_short(decision: Path) -> None:
    lines = decision.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 140
    assert lines[0].startswith(f"# {int(decision.name[:4])}. ")


def test_every_decision_that_is_mentioned_exists() -> None:
    names = {decision.name for decision in DECISIONS}
    numbers = [int(name[:4]) for name in names]
    assert len(set(numbers)) == len(numbers)
    for path, text in tracked_texts():
        for numbered in re.findall(r"\bADRs?\s+(\d+(?:(?:,| and|, and)\s+\d+)*)", text):
            for number in re.findall(r"\d+", numbered):
                assert int(number) in numbers, f"{path}: ADR {number}"
        for number, title in re.findall(r"\badr/(\d{4})(-[\w-]+\.md)?", text):
            assert int(number) in numbers, f"{path}: docs/adr/{number}"
            assert not title or number + title in names, f"{path}: docs/adr/{number}{title}"
