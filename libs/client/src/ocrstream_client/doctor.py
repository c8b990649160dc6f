"""`ocrstream doctor`: what is wrong with the system, and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer
from rich.console import Console

from ocrstream_client.addresses import STACK_ENV, Addresses, find_settings
from ocrstream_client.client import Client
from ocrstream_client.errors import OcrstreamError, Unreachable
from ocrstream_client.kafka_metadata import topics_of
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
"""Those that belong to the system; lanes and dead letters come with them."""

_VARIABLES = {"ingest": "INGEST_URL", "recorder": "RECORDER_URL"}
_OBJECT_STORE = "object store"
_SHOWN_WORKERS = 5
_TIMEOUT_S = 5.0
_MARKS = {"ok": "[green]ok     [/]", "trouble": "[red]trouble[/]", "unknown": "[yellow]unknown[/]"}

_CURES = {
    "kafka": "start the broker, or mend the service's KAFKA_BOOTSTRAP_SERVERS",
    "database": "start PostgreSQL, or mend that process's DATABASE_URL",
    "recording": "see the recorder's log; it goes on by itself when what it names is mended",
    "reading": "see the recorder's log; it goes on by itself when Kafka answers",
    "writing": "see the recorder's log; it goes on by itself when the database takes its rows",
    "partitions": "submit again what is lost, as far as you need it, and run what it names",
    "dead_letters": "see what they say: ocrstream dlq list; then mend it and redrive them",
    "object_store": "mend that folder: it must be there, be ingest's to write, and have room",
    "engine": "wait while its models load; if it stays, see the worker's log",
    "moving": "images or records wait and none is finished: see the service's log, restart it",
}


@dataclass(frozen=True)
class Finding:
    """What a look at one part gave; `cure` is what to do."""

    part: str
    state: Literal["ok", "trouble", "unknown"]
    detail: str
    cure: str | None = None
    unreachable: bool = False


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False
) -> None:
    """Look at every part of the system: what is wrong, and what to do.

    Ingest tells of the object store, what answers for the recorder (RECORDER_URL) of the workers.
    The broker, those who record and each worker are asked if KAFKA_BOOTSTRAP_SERVERS,
    RECORDING_URLS and WORKER_URLS (with commas between them) are set, or stand in a local stack's
    file.

    Exit codes: 0 all is well, 1 something is wrong, 3 ingest or the recorder does not answer.

    For example, what is wrong: ocrstream doctor --json | jq 'select(.state == "trouble")'
    """
    found: list[Finding] = []
    for finding in examine(find_settings()):
        found.append(finding)
        if as_json:
            told = asdict(finding)
            del told["unreachable"]
            print_json(told)
        else:
            _print(finding)
    if any(finding.unreachable for finding in found):
        raise typer.Exit(UNREACHABLE)
    if any(finding.state == "trouble" for finding in found):
        raise typer.Exit(SOME_FAILED)


def examine(settings: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about all parts, as they come; nothing that is down keeps it from the others."""
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
        topics = topics_of(servers, _TIMEOUT_S)
    except (OSError, ValueError) as error:
        cure = "start it; see its log; from here it must answer in plain text, without TLS"
        yield Finding("broker", "trouble", f"{servers}: {error}", cure)
        return
    yield Finding("broker", "ok", servers)
    missing = sorted(TOPICS - topics)
    if missing:
        cure = "create them: python -m ocrstream_runtime.topics, or on a local stack make up"
        yield Finding("topics", "trouble", f"{', '.join(missing)} not there", cure)
    else:
        yield Finding("topics", "ok", f"all {len(TOPICS)} are there")


def _needed(client: Client, part: str, url: str) -> Iterator[Finding]:
    if url:
        yield from _service(client, part, url, needed=True)
    else:
        variable = _VARIABLES[part]
        cure = f"set {variable}, or start a stack here with: make up"
        said = f"{variable} is not set, and no {STACK_ENV} is in this folder or above"
        yield Finding(part, "trouble", said, cure, unreachable=True)


def _object_store(found: list[Finding]) -> Iterator[Finding]:
    """What `found` of ingest means for the object store, if nothing in it is about it itself."""
    if any(finding.unreachable for finding in found):
        yield Finding(_OBJECT_STORE, "unknown", "ingest tells of it, and does not answer")
    elif not any(finding.part == _OBJECT_STORE for finding in found):
        yield Finding(_OBJECT_STORE, "ok", "ingest can write and read it")


def _workers(client: Client, recorder_url: str) -> Iterator[Finding]:
    if not recorder_url:
        yield Finding("workers", "unknown", "the recorder tells of them; RECORDER_URL is not set")
        return
    try:
        workers = client.workers()
    except Unreachable:
        yield Finding("workers", "unknown", "the recorder tells of them, and does not answer")
        return
    except OcrstreamError as error:
        yield Finding("workers", "unknown", str(error))
        return
    alive = [worker for worker in workers if worker.alive]
    if alive:
        said = "; ".join(
            f"{worker.worker}: {worker.engine} on {worker.device}, lanes {', '.join(worker.lanes)}"
            for worker in alive[:_SHOWN_WORKERS]
        )
        more = len(alive) - _SHOWN_WORKERS
        yield Finding("workers", "ok", f"{len(alive)} alive: {said}" + ("; …" if more > 0 else ""))
    else:
        silent = [worker.worker for worker in workers if worker.state == "silent"]
        said = f", {', '.join(silent[:_SHOWN_WORKERS])} fell silent" if silent else ""
        cure = "start one (local stack: make up), or see why its log says it cannot start"
        yield Finding("workers", "trouble", f"none is alive{said}", cure)


def _service(client: Client, part: str, url: str, *, needed: bool) -> Iterator[Finding]:
    try:
        troubles = client.troubles(url.rstrip("/"))
    except Unreachable as error:
        said = str(error.__cause__ or error)
        variable = _VARIABLES.get(part, f"{part.upper()}_URLS")
        cure = f"start it (local stack: make up), or set {variable} to where it is"
        yield Finding(part, "trouble", f"{url}: {said}", cure, unreachable=needed)
    except OcrstreamError as error:
        yield Finding(part, "trouble", str(error), "is this its address?", unreachable=needed)
    else:
        for check, trouble in troubles.items():
            cure = _CURES.get(check, f"see the {part}'s log")
            about = _OBJECT_STORE if check == "object_store" else part
            yield Finding(about, "trouble", f"{url}: {check}: {trouble}", cure)
        if not troubles:
            yield Finding(part, "ok", url)


def _print(finding: Finding) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{_MARKS[finding.state]} {finding.part:13}", end="")
    console.print(finding.detail, markup=False)
    if finding.cure:
        console.print(f"{'':22}{finding.cure}", markup=False)
