"""What the rows must be, derived from the whole set of records in the plainest way.

Written from the rules' text, not from the recorder's code: it never folds, it looks at everything.
A row is a dict of all columns but ids, `created_at`, `updated_at`, `revision` and `public_path`.
JSON columns are canonical text, since to Python 1, 1.0 and True are equal.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from ocrstream_schemas.events import (
    AnyEvent,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    OcrFailed,
    OcrSucceeded,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    WorkerSeen,
)
from ocrstream_schemas.ids import ocr_task_id
from ocrstream_schemas.salvage import Salvaged

Row = dict[str, Any]
Content = AnyEvent | Salvaged
"""The content of a record: its event, or what could still be read of a broken one."""

_COMMANDS = BatchSubmitted | BatchRevoked | BatchRetryRequested
_DONE = {"SUCCESS", "FAILURE", "REVOKED"}
_IN_INPUT_DATA = ("index", "image_path", "public_path", "source_name", "page", "options")


def json(value: Any) -> bytes | None:
    """Canonical JSON text; None stays None."""
    return None if value is None else msgspec.json.encode(value, order="deterministic")


def _digest(value: Any) -> bytes:
    if isinstance(value, dict):
        value = msgspec.Raw(msgspec.json.encode(value, order="deterministic"))
    return sha256(msgspec.msgpack.encode(value, order="deterministic")).digest()


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)


def _not_none(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _statement(event: Any) -> Row | None:
    """What an event says of its task."""
    row: Row = {
        "attempt": getattr(event, "attempt", 1),
        "error": getattr(event, "error", None),
        "reason": getattr(event, "reason", None),
        "started_at": _naive(getattr(event, "started_at", None)),
        "finished_at": _naive(getattr(event, "finished_at", None)),
        "worker": getattr(event, "worker", None),
    }
    match event:
        case BatchSubmitted() | BatchRevoked() | BatchRetryRequested():
            return None
        case ImageSubmitted() if event.refused is not None:
            status = "REVOKED" if event.refused.reason == "revoked" else "FAILURE"
            row |= {"status": status, "finished_at": _naive(event.submitted_at)}
            row |= {"reason": event.refused.reason, "error": event.refused.error}
        case ImageSubmitted() | TaskSubmitted():
            row["status"] = "PENDING"
        case OcrSucceeded() if not event.boxes:
            row |= {"status": "FAILURE", "reason": "no_text", "error": "No text boxes extracted"}
        case OcrSucceeded() | TaskSucceeded():
            row["status"] = "SUCCESS"
        case OcrFailed() | TaskFailed():
            row["status"] = "REVOKED" if event.reason == "revoked" else "FAILURE"
        case TaskStarted():
            row["status"] = "STARTED"
        case TaskRetried():
            row["status"] = "RETRY"
        case TaskRevoked():
            row |= {"status": "REVOKED", "reason": "revoked"}
        case Salvaged():
            error = "The record could not be applied and is kept in its dead-letter topic"
            row |= {"status": "FAILURE", "reason": "dead_lettered", "error": error}
        case _:
            raise AssertionError(event)
    if row["error"] is not None and len(row["error"]) > 512:
        row["error"] = row["error"][:511] + "…"
    row["task_name"] = getattr(event, "task_name", None) or "ocr"
    row["run"] = event.run
    row["chain_id"] = event.chain_id
    row["task_id"] = getattr(event, "task_id", None) or ocr_task_id(
        str(event.chain_id), "ocr", event.run
    )
    return row


def _dead_lettered(task: Row) -> bool:
    return task["status"] == "FAILURE" and task["reason"] == "dead_lettered"


def _strength(row: Row) -> tuple[int, int, bytes]:
    rank = {"SUCCESS": 4, "FAILURE": 3, "REVOKED": 2}.get(row["status"], 0)
    if _dead_lettered(row):
        rank = 1
    unfinished = {"PENDING": 0, "STARTED": 2 * row["attempt"], "RETRY": 2 * row["attempt"] + 1}
    level = unfinished.get(row["status"], row["attempt"])
    names = ("task_name", "attempt", "error", "reason", "started_at", "finished_at", "worker")
    return rank, level, _digest([row[name] for name in names])


def tasks(contents: list[Content]) -> dict[str, Row]:
    """Every task by its id."""
    statements = _not_none(_statement(event) for event in contents)
    found: dict[str, Row] = {}
    for task_id in {row["task_id"] for row in statements}:
        mine = [row for row in statements if row["task_id"] == task_id]
        owner = min(row["chain_id"] for row in mine)
        mine = [row for row in mine if row["chain_id"] == owner]
        run = max(row["run"] for row in mine)
        mine = [row for row in mine if row["run"] == run]
        holder = dict(max(mine, key=_strength))
        holder["retries"] = max(row["attempt"] for row in mine) - 1
        found[task_id] = holder
    return found


def _is_refused(event: Any) -> bool:
    return isinstance(event, ImageSubmitted) and event.refused is not None


_SOURCES = {ImageSubmitted: 2, OcrSucceeded: 1, OcrFailed: 1, BatchSubmitted: 3}


def _best(events: list[Any], field: str) -> tuple[Any, int]:
    """The value of a descriptive field: highest run, then best source, then greatest hash.

    And its rank, 0 if no event gave a value.
    """

    def rank(event: Any) -> int:
        source = 1 if _is_refused(event) else _SOURCES.get(type(event), 0)
        return 4 * getattr(event, "run", 1) + source

    saying = [event for event in events if getattr(event, field, None) is not None]
    if not saying:
        return None, 0
    best = max(saying, key=lambda event: (rank(event), _digest(getattr(event, field))))
    return getattr(best, field), rank(best)


def chains(contents: list[Content]) -> dict[str, Row]:
    """Every chain by its id."""
    of_chains: list[Any] = [event for event in contents if not isinstance(event, _COMMANDS)]
    all_tasks = tasks(contents)
    return {
        chain_id: _chain(
            chain_id,
            [event for event in of_chains if event.chain_id == chain_id],
            [task for task in all_tasks.values() if task["chain_id"] == chain_id],
        )
        for chain_id in {str(event.chain_id) for event in of_chains}
    }


def _chain_status(current: list[Row], total: int) -> str:
    count = Counter(task["status"] for task in current)
    if count["FAILURE"]:
        return "FAILURE"
    if count["REVOKED"]:
        return "REVOKED"
    if count["SUCCESS"] >= total:
        return "SUCCESS"
    if count["RETRY"]:
        return "RETRY"
    if count["SUCCESS"]:
        return "RUNNING"
    return "STARTED" if count["STARTED"] else "PENDING"


def _chain(chain_id: str, mine: list[Any], its_tasks: list[Row]) -> Row:
    run = max(event.run for event in mine)
    total = max(_not_none(getattr(event, "total_tasks", None) for event in mine), default=1)
    current = [task for task in its_tasks if task["run"] == run]
    applied = [task for task in current if not _dead_lettered(task)]
    if _chain_status(applied, total) in _DONE:
        current = applied
    status = _chain_status(current, total)
    count = Counter(task["status"] for task in current)
    ended_badly = [task for task in current if task["status"] in {"FAILURE", "REVOKED"}]
    succeeded = [task for task in current if task["status"] == "SUCCESS"]
    finished = None
    if ended_badly:
        finished = min(_not_none(task["finished_at"] for task in ended_badly), default=None)
    elif status == "SUCCESS":
        finished = max(_not_none(task["finished_at"] for task in succeeded), default=None)
    batch_id = min(_not_none(event.batch_id for event in mine), default=None)
    fields = ("chain_name", "initiated_by", *_IN_INPUT_DATA)
    best = {field: _best(mine, field) for field in fields}
    index, name, initiator = (best[field][0] for field in ("index", "chain_name", "initiated_by"))
    if name is None and batch_id is not None and index is not None:
        name = f"batch_image_{index}"
    culprit = _culprit(current)
    by_start = sorted(
        current, key=lambda task: (task["started_at"] is None, task["started_at"], task["task_id"])
    )
    described = {field: best[field][0] for field in _IN_INPUT_DATA if best[field][0] is not None}
    return {
        "chain_id": chain_id,
        "celery_task_id": by_start[0]["task_id"] if by_start else None,
        "batch_id": batch_id,
        "run": run,
        "status": status,
        "total_tasks": total,
        "completed_tasks": count["SUCCESS"],
        "failed_tasks": count["FAILURE"],
        "started_at": min(_not_none(task["started_at"] for task in current), default=None),
        "finished_at": finished,
        "chain_name": name,
        "initiated_by": "batch_ocr" if initiator is None and batch_id else initiator,
        "image_index": index,
        "input_data": json(described),
        "final_result": None,
        "error_message": culprit["error"],
        "reason": culprit["reason"],
        "ranks": json([best[field][1] for field in fields]),
    }


def _culprit(current: list[Row]) -> Row:
    for status in ("FAILURE", "REVOKED"):
        bad = [task for task in current if task["status"] == status]
        if bad:
            return min(bad, key=lambda task: (task["task_name"], task["task_id"]))
    return {"reason": None, "error": None}


def _moments(event: Any) -> list[datetime]:
    names = ("submitted_at", "started_at", "finished_at", "revoked_at")
    return _not_none(_naive(getattr(event, name, None)) for name in names)


def _batch_id(event: Content) -> str | None:
    return None if isinstance(event, WorkerSeen) else event.batch_id


def batches(contents: list[Content]) -> dict[str, Row]:
    """Every batch by its id."""
    all_chains = list(chains(contents).values())
    return {
        batch_id: _batch(
            batch_id,
            [event for event in contents if _batch_id(event) == batch_id],
            [chain for chain in all_chains if chain["batch_id"] == batch_id],
        )
        for batch_id in set(map(_batch_id, contents))
        if batch_id is not None
    }


def _batch(batch_id: str, mine: list[Any], images: list[Row]) -> Row:
    announcements = [event for event in mine if isinstance(event, BatchSubmitted)]
    announced = max(_not_none(event.total_images for event in announcements), default=None)
    hinted = max(_not_none(getattr(event, "batch_total", None) for event in mine), default=None)
    run = max((event.run for event in mine if not isinstance(event, _COMMANDS)), default=1)
    revoked_run = max((e.run for e in mine if isinstance(e, BatchRevoked)), default=0)
    cancelled = revoked_run >= run
    promised = hinted if announced is None else announced
    total = 0 if promised is None else max(promised, len(images))
    if cancelled:
        total = max(total, len(images))
    count = Counter(image["status"] for image in images)
    completed, failed = count["SUCCESS"], count["FAILURE"]
    revoked = total - completed - failed if cancelled else count["REVOKED"]
    ended = cancelled or (promised is not None and completed + failed + revoked == total)
    if ended:
        status = "REVOKED" if revoked else "FAILURE" if failed else "SUCCESS"
    elif completed + failed + revoked:
        status = "RUNNING"
    else:
        status = "STARTED" if len(images) > count["PENDING"] else "PENDING"
    fields = ("batch_name", "initiated_by", "options", "input_data", "chunk_size")
    best = {field: _best(announcements, field) for field in fields}
    size = best["chunk_size"][0] or 10
    moments = [moment for event in mine for moment in _moments(event)]
    began = min(
        _not_none(
            getattr(event, "submitted_at", None)
            for event in mine
            if not isinstance(event, _COMMANDS) and event.run == run
        ),
        default=None,
    )
    reasons = Counter(image["reason"] for image in images if image["status"] == "FAILURE")
    return {
        "batch_id": batch_id,
        "batch_name": best["batch_name"][0],
        "status": status,
        "total_known": promised is not None,
        "total_images": total,
        "seen_images": len(images),
        "begun_images": count["STARTED"] + count["RUNNING"] + count["RETRY"],
        "completed_images": completed,
        "failed_images": failed,
        "revoked_images": revoked,
        "revoked_chains": count["REVOKED"],
        "unindexed_images": sum(image["image_index"] is None for image in images),
        "announced_total": announced,
        "hinted_total": hinted,
        "ended": ended,
        "run": run,
        "revoked_run": revoked_run,
        "chunk_size": size,
        **_chunks(images, total if promised is not None else 0, size, ended=ended),
        "started_at": min(moments, default=None),
        "finished_at": max(moments, default=None) if ended else None,
        "last_event_at": max(moments, default=None),
        "initiated_by": best["initiated_by"][0],
        "options": json(best["options"][0]),
        "input_data": json(best["input_data"][0]),
        "failed_by_reason": json(reasons),
        "final_result": json({"failed_by_reason": reasons}) if ended else None,
        "error_message": None,
        "ranks": json([best[field][1] for field in fields]),
        "run_began_at": _naive(began),
        "cancel_due_at": None if ended else _cancel_due_at(best["options"][0] or {}, run, began),
        "deadline_run": 0,
    }


def _cancel_due_at(options: Row, run: int, began: datetime | None) -> datetime | None:
    """The deadline, unless the run began after it."""
    try:
        deadline = datetime.fromisoformat(options["deadline"])
    except (KeyError, ValueError):
        return None
    return None if run > 1 and began is not None and began >= deadline else deadline


def _chunks(images: list[Row], total: int, size: int, *, ended: bool) -> Row:
    if any(image["image_index"] is None for image in images):
        total = 0
    numbers = range(-(-total // size))
    completed = failed = 0
    for number in numbers:
        expected = min(size, total - number * size)
        mine = [image for image in images if image["image_index"] // size == number]
        succeeded = sum(image["status"] == "SUCCESS" for image in mine)
        done = sum(image["status"] in _DONE for image in mine)
        completed += succeeded >= expected
        failed += (done >= expected or ended) and succeeded < expected
    return {
        "total_chunks": len(numbers),
        "completed_chunks": completed,
        "failed_chunks": failed,
    }


_Result = OcrSucceeded | OcrFailed | ImageSubmitted
"""Of the submissions only those that are refused."""


def _results(contents: list[Content]) -> list[_Result]:
    return [
        event
        for event in contents
        if isinstance(event, OcrSucceeded | OcrFailed)
        or (isinstance(event, ImageSubmitted) and event.refused is not None)
    ]


def images(contents: list[Content]) -> dict[str, Row]:
    """The result that holds each path, with its boxes."""
    return {path: _result(event) for path, event in _holders(contents).items()}


def _holders(contents: list[Content]) -> dict[str, _Result]:
    results = [event for event in _results(contents) if _content(event)[0] != "revoked"]
    return {
        path: max((event for event in results if event.image_path == path), key=_result_key)
        for path in {event.image_path for event in results}
    }


def public_paths(contents: list[Content]) -> dict[str, set[str | None]]:
    """What the public path of each image may be: none, or one that some result of it asked for."""
    found: dict[str, set[str | None]] = {}
    for event in _results(contents):
        found.setdefault(event.image_path, {None}).add(event.public_path)
    return found


def asked_public_paths(contents: list[Content]) -> dict[str, str | None]:
    """The public path that each image asks for at last."""
    return {path: event.public_path for path, event in _holders(contents).items()}


def _content(event: _Result) -> tuple[Any, Any, tuple[Any, ...]]:
    if isinstance(event, ImageSubmitted):
        assert event.refused is not None
        return event.refused.reason, event.refused.error, ()
    if isinstance(event, OcrFailed):
        return event.reason, event.error, ()
    if event.boxes:
        return None, None, event.boxes
    return "no_text", "No text boxes extracted", ()


def _result_key(event: _Result) -> tuple[Any, ...]:
    reason, error, boxes = _content(event)
    content = [error, reason, event.public_path, boxes]
    provenance = _provenance(event)
    digest = _digest(content if provenance is None else [*content, msgspec.Raw(provenance)])
    has_provenance = provenance is not None
    return (
        _naive(event.submitted_at),
        event.run,
        event.chain_id,
        reason is None,
        has_provenance,
        digest,
    )


def _provenance(event: _Result) -> bytes | None:
    """What the row keeps: all that the event has of it, and the attempt."""
    if isinstance(event, ImageSubmitted) or event.provenance is None:
        return None
    fields: Row = msgspec.json.decode(msgspec.json.encode(event.provenance))
    # Maps in the order of their keys, fields in that of the contract.
    fields = {name: msgspec.Raw(json(value) or b"") for name, value in fields.items()}
    return msgspec.json.encode({**fields, "attempt": event.attempt})


def _result(event: _Result) -> Row:
    reason, error, boxes = _content(event)
    return {
        "image_path": event.image_path,
        "chain_id": event.chain_id,
        "status": "success" if reason is None else "failed",
        "error": error,
        "reason": reason,
        "run": event.run,
        "submitted_at": _naive(event.submitted_at),
        "value_digest": _result_key(event)[-1],
        "text_box_count": len(boxes),
        "provenance": _provenance(event),
        "boxes": json([[box.text, box.confidence, box.bbox] for box in boxes]),
    }


def retried(contents: list[Content], batch_id: str, *, include_no_text: bool) -> dict[str, int]:
    """The chains that a request to retry submits again, each with the run that is next."""
    batch = batches(contents)[batch_id]
    # A chain may have a later run than its batch, from an event with another batch's id: such a run
    # is not cancelled, and workers read it.
    cancelled_run = batch["revoked_run"] if batch["revoked_run"] >= batch["run"] else 0
    return {
        chain["chain_id"]: max(chain["run"], batch["revoked_run"]) + 1
        for chain in chains(contents).values()
        if chain["batch_id"] == batch_id
        and (chain["status"] in {"FAILURE", "REVOKED"} or chain["run"] <= cancelled_run)
        and chain["status"] != "SUCCESS"
        and (include_no_text or chain["reason"] != "no_text")
        and b'"image_path"' in chain["input_data"]
    }
