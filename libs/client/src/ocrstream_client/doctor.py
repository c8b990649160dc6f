"""`ocrstream doctor`: finds what is wrong with the system, and says what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Annotated, Literal

import typer
from rich.console import Console

from ocrstream_client.addresses import STACK_ENV, Addresses, find_settings
from ocrstream_client.client import Client
from ocrstream_client.errors import OcrstreamError, UnreachableError
from ocrstream_client.kafka_metadata import list_topics
from ocrstream_client.terminal import SOME_FAILED, UNREACHABLE, print_json

TOPICS = frozenset(
    {
        "batches.commands",
        "batches.completed",
        "images.submitted",
        "ocr.results",
        "tasks.lifecycle",
        "workers.heartbeats",
    }
)
"""The system's topics, without those of lanes and dead letters."""

_VARIABLES = {"ingest": "INGEST_URL", "recorder": "RECORDER_URL"}
_SERVICES = {
    "ingest": "ocrstream-ingest",
    "recorder": "ocrstream-recorder-api",
    "recording": "ocrstream-recorder",
    "worker": "ocrstream-worker",
}
"""What the service of each part calls itself."""
_OBJECT_STORE, _DEAD_LETTERS = "object store", "dead letters"
_MAX_COUNTED_LETTERS = 100
_SHOWN_WORKERS = 5
_TIMEOUT_S = 5.0
_MARKS = {"ok": "[green]ok     [/]", "trouble": "[red]trouble[/]", "unknown": "[yellow]unknown[/]"}

_CURES = {
    "kafka": "start the broker, or correct the service's KAFKA_BOOTSTRAP_SERVERS",
    "database": "start PostgreSQL, or correct that process's DATABASE_URL",
    "recording": "see the recorder's log; it continues when you have fixed the reason",
    "reading": "see the recorder's log; it continues when Kafka answers",
    "writing": "see the recorder's log; it continues when the database accepts its rows",
    "partitions": "submit the lost images again, if you need them, and run what it names",
    "dead_letters": "see the reasons with: ocrstream dlq list; fix them, then redrive",
    "object_store": "fix that folder: it must exist, be writable for ingest, and have free space",
    "engine": "wait while its models load; if it takes too long, see the worker's log",
    "moving": "images or records wait, but none is finished: see the service's log, restart it",
}


@dataclass(frozen=True)
class Finding:
    """The state of one part of the system; `cure` says what to do."""

    part: str
    state: Literal["ok", "trouble", "unknown"]
    detail: str
    cure: str | None = None
    unreachable: bool = False


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """Check every part of the system: what is wrong, and what to do.

    Ingest reports the object store, and the recorder at RECORDER_URL the workers. The command also
    checks the broker, the recording processes and each worker if KAFKA_BOOTSTRAP_SERVERS,
    RECORDING_URLS and WORKER_URLS (separated by commas) are set, or are in a local stack's file.

    Exit codes: 0 all is well, 1 something is wrong, 3 ingest or the recorder does not answer.

    For example, only what is wrong: ocrstream doctor --json | jq 'select(.state == "trouble")'
    """
    found: list[Finding] = []
    for finding in examine(find_settings()):
        found.append(finding)
        if as_json:
            row = asdict(finding)
            del row["unreachable"]
            print_json(row)
        else:
            _print(finding)
    if any(finding.unreachable for finding in found):
        raise typer.Exit(UNREACHABLE)
    if any(finding.state == "trouble" for finding in found):
        raise typer.Exit(SOME_FAILED)


def examine(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Yields a finding for each part as soon as it is known; checks all parts in any case."""
    yield from _broker(settings.get("KAFKA_BOOTSTRAP_SERVERS"))
    addresses = Addresses(*(settings.get(name, "").rstrip("/") for name in _VARIABLES.values()))
    with Client(addresses, timeout_s=_TIMEOUT_S) as client:
        found = list(_needed(client, "ingest", addresses.ingest_url))
        yield from found
        yield from _object_store(found)
        yield from _needed(client, "recorder", addresses.recorder_url)
        recording = _urls(settings, "RECORDING_URLS")
        if not recording:
            yield Finding("recording", "unknown", "RECORDING_URLS is not set")
        for url in recording:
            yield from _service(client, "recording", url, needed=False)
        yield from _dead_letters(client, addresses.recorder_url)
        yield from _workers(client, addresses.recorder_url)
        for url in _urls(settings, "WORKER_URLS"):
            yield from _service(client, "worker", url, needed=False)


def _urls(settings: Mapping[str, str], variable: str) -> list[str]:
    return [url.strip() for url in settings.get(variable, "").split(",") if url.strip()]


def _broker(servers: str | None) -> Iterator[Finding]:
    if not servers:
        yield Finding("broker", "unknown", "KAFKA_BOOTSTRAP_SERVERS is not set")
        return
    try:
        topics = list_topics(servers, _TIMEOUT_S)
    except (OSError, ValueError) as error:
        cure = "start it, see its log; the doctor needs a listener without TLS"
        yield Finding("broker", "trouble", f"{servers}: {error}", cure)
        return
    yield Finding("broker", "ok", servers)
    missing = sorted(TOPICS - topics)
    if missing:
        cure = "create them: python -m ocrstream_runtime.topics, or on a local stack make up"
        yield Finding("topics", "trouble", f"{', '.join(missing)} missing", cure)
    else:
        yield Finding("topics", "ok", f"all {len(TOPICS)} exist")


def _needed(client: Client, part: str, url: str) -> Iterator[Finding]:
    if url:
        yield from _service(client, part, url, needed=True)
    else:
        variable = _VARIABLES[part]
        cure = f"set {variable}, or start a stack here with: make up"
        detail = f"{variable} is not set, and no {STACK_ENV} is in this folder or a parent"
        yield Finding(part, "trouble", detail, cure, unreachable=True)


def _object_store(found: list[Finding]) -> Iterator[Finding]:
    """Yields the object store's finding, unless ingest's findings include one."""
    if any(finding.unreachable for finding in found):
        yield Finding(_OBJECT_STORE, "unknown", "ingest reports it, but it is not at INGEST_URL")
    elif not any(finding.part == _OBJECT_STORE for finding in found):
        # Ingest has checked it, because it is the right service and has no trouble with it.
        yield Finding(_OBJECT_STORE, "ok", "ingest can write and read it")


def _dead_letters(client: Client, recorder_url: str) -> Iterator[Finding]:
    if not recorder_url:
        return
    try:
        letters = list(islice(client.dead_letters(state="open"), _MAX_COUNTED_LETTERS + 1))
    except UnreachableError:
        yield Finding(_DEAD_LETTERS, "unknown", "the recorder reports them, but does not answer")
        return
    except OcrstreamError as error:
        yield Finding(_DEAD_LETTERS, "unknown", str(error))
        return
    if not letters:
        yield Finding(_DEAD_LETTERS, "ok", "none is open")
        return
    newest = letters[0]
    many = len(letters) > _MAX_COUNTED_LETTERS
    count = f"more than {_MAX_COUNTED_LETTERS}" if many else str(len(letters))
    yield Finding(
        _DEAD_LETTERS,
        "trouble",
        f"{count} open; the newest, {newest.id}, from {newest.topic}: {newest.reason}:"
        f" {newest.error}",
        "see them with: ocrstream dlq list; fix the reason, then redrive or drop them",
    )


def _workers(client: Client, recorder_url: str) -> Iterator[Finding]:
    if not recorder_url:
        yield Finding(
            "workers", "unknown", "the recorder reports them, but RECORDER_URL is not set"
        )
        return
    try:
        workers = client.workers()
    except UnreachableError:
        yield Finding("workers", "unknown", "the recorder reports them, but does not answer")
        return
    except OcrstreamError as error:
        yield Finding("workers", "unknown", str(error))
        return
    alive = [worker for worker in workers if worker.alive]
    if alive:
        listed = "; ".join(
            f"{worker.worker}: {worker.engine} on {worker.device}, lanes {', '.join(worker.lanes)}"
            for worker in alive[:_SHOWN_WORKERS]
        )
        rest = "; …" if len(alive) > _SHOWN_WORKERS else ""
        yield Finding("workers", "ok", f"{len(alive)} alive: {listed}{rest}")
    else:
        silent = [worker.worker for worker in workers if worker.state == "silent"]
        lost = f"; no heartbeat from {', '.join(silent[:_SHOWN_WORKERS])}" if silent else ""
        cure = "start one (local stack: make up), or see in its log why it does not start"
        yield Finding("workers", "trouble", f"none is alive{lost}", cure)


def _service(client: Client, part: str, url: str, *, needed: bool) -> Iterator[Finding]:
    try:
        readiness = client.readiness(url.rstrip("/"))
    except UnreachableError as error:
        reason = str(error.__cause__ or error)
        variable = _VARIABLES.get(part, f"{part.upper()}_URLS")
        cure = f"start it (local stack: make up), or set {variable} to its address"
        yield Finding(part, "trouble", f"{url}: {reason}", cure, unreachable=needed)
    except OcrstreamError as error:
        yield Finding(
            part, "trouble", str(error), "check that this is its address", unreachable=needed
        )
    else:
        expected = _SERVICES[part]
        if readiness.service not in {None, expected}:
            variable = _VARIABLES.get(part, f"{part.upper()}_URLS")
            yield Finding(
                part,
                "trouble",
                f"{url} is {readiness.service}, not {expected}",
                f"set {variable} to the address of {expected}",
                unreachable=needed,
            )
            return
        for check, trouble in readiness.troubles.items():
            cure = _CURES.get(check, f"see the {part}'s log")
            named = _OBJECT_STORE if check == "object_store" else part
            yield Finding(named, "trouble", f"{url}: {check}: {trouble}", cure)
        if not readiness.troubles:
            checks = f" ({', '.join(readiness.checks)})" if readiness.checks else ""
            yield Finding(part, "ok", f"{url}{checks}")


def _print(finding: Finding) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{_MARKS[finding.state]} {finding.part:13}", end="")
    console.print(finding.detail, markup=False)
    if finding.cure:
        console.print(f"{'':22}{finding.cure}", markup=False)
