"""What the rows must be, told from the whole set of events in the plainest way.

Written from the rules' text, not from the recorder's code: it never folds, it looks at everything.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from ocrstream_schemas.events import (
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
)
from ocrstream_schemas.ids import ocr_task_id

Row = dict[str, Any]
_DONE = {"SUCCESS", "FAILURE", "REVOKED"}


def _digest(value: Any) -> bytes:
    return sha256(msgspec.msgpack.encode(value, order="deterministic")).digest()


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)


def _told(values: Iterable[Any]) -> list[Any]:
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
        case BatchSubmitted() | BatchRevoked():
            return None
        case ImageSubmitted():
            row["status"] = "PENDING"
        case OcrSucceeded():
            row["status"] = "SUCCESS"
            if not event.boxes:
                row |= {
                    "status": "FAILURE",
                    "reason": "no_text",
                    "error": "No text boxes extracted",
                }
        case OcrFailed():
            row["status"] = "REVOKED" if event.reason == "revoked" else "FAILURE"
        case TaskSubmitted():
            row["status"] = "PENDING"
        case TaskStarted():
            row["status"] = "STARTED"
        case TaskRetried():
            row["status"] = "RETRY"
        case TaskSucceeded():
            row["status"] = "SUCCESS"
        case TaskFailed():
            row["status"] = "FAILURE"
        case TaskRevoked():
            row |= {"status": "REVOKED", "reason": "revoked"}
        case _:
            raise AssertionError(event)
    row["task_name"] = getattr(event, "task_name", "ocr")
    row["run"] = event.run
    row["chain_id"] = event.chain_id
    row["task_id"] = getattr(event, "task_id", None) or ocr_task_id(
        str(event.chain_id), "ocr", event.run
    )
    return row


def _strength(row: Row) -> tuple[int, int, bytes]:
    rank = {"SUCCESS": 3, "FAILURE": 2, "REVOKED": 1}.get(row["status"], 0)
    unfinished = {"PENDING": 0, "STARTED": 2 * row["attempt"], "RETRY": 2 * row["attempt"] + 1}
    level = unfinished.get(row["status"], row["attempt"])
    names = ("task_name", "attempt", "error", "reason", "started_at", "finished_at", "worker")
    return rank, level, _digest([row[name] for name in names])


def tasks(told: list[Any]) -> dict[str, Row]:
    """Every task by its id."""
    statements = _told(_statement(event) for event in told)
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


def _best(events: list[Any], field: str) -> Any:
    """The value of a descriptive field: highest run, then best source, then greatest hash."""

    def rank(event: Any) -> tuple[int, int, bytes]:
        source = {ImageSubmitted: 2, OcrSucceeded: 1, OcrFailed: 1}.get(type(event), 0)
        return event.run, source, _digest(getattr(event, field))

    saying = [event for event in events if getattr(event, field, None) is not None]
    return getattr(max(saying, key=rank), field) if saying else None


def chains(told: list[Any]) -> dict[str, Row]:
    """Every chain by its id."""
    of_chains = [event for event in told if not isinstance(event, BatchSubmitted | BatchRevoked)]
    all_tasks = tasks(told)
    found: dict[str, Row] = {}
    for chain_id in {str(event.chain_id) for event in of_chains}:
        mine = [event for event in of_chains if event.chain_id == chain_id]
        run = max(event.run for event in mine)
        current = [
            task
            for task in all_tasks.values()
            if task["chain_id"] == chain_id and task["run"] == run
        ]
        total = max((event.total_tasks or 1 for event in mine), default=1)
        count = Counter(task["status"] for task in current)
        if count["FAILURE"]:
            status = "FAILURE"
        elif count["REVOKED"]:
            status = "REVOKED"
        elif count["SUCCESS"] >= total:
            status = "SUCCESS"
        elif count["RETRY"]:
            status = "RETRY"
        elif count["SUCCESS"]:
            status = "RUNNING"
        elif count["STARTED"]:
            status = "STARTED"
        else:
            status = "PENDING"
        ended_badly = [task for task in current if task["status"] in {"FAILURE", "REVOKED"}]
        succeeded = [task for task in current if task["status"] == "SUCCESS"]
        finished = None
        if ended_badly:
            finished = min(_told(task["finished_at"] for task in ended_badly), default=None)
        elif status == "SUCCESS":
            finished = max(_told(task["finished_at"] for task in succeeded), default=None)
        batch_id = min(_told(event.batch_id for event in mine), default=None)
        index, name = _best(mine, "index"), _best(mine, "chain_name")
        if name is None and batch_id is not None and index is not None:
            name = f"batch_image_{index}"
        initiator = _best(mine, "initiated_by")
        found[chain_id] = {
            "chain_id": chain_id,
            "batch_id": batch_id,
            "run": run,
            "status": status,
            "total_tasks": total,
            "completed_tasks": count["SUCCESS"],
            "failed_tasks": count["FAILURE"],
            "started_at": min(_told(task["started_at"] for task in current), default=None),
            "finished_at": finished,
            "chain_name": name,
            "initiated_by": "batch_ocr" if initiator is None and batch_id else initiator,
            "image_index": index,
            "options": _best(mine, "options"),
            "image_path": _best(mine, "image_path"),
            "reason": _culprit(current)["reason"],
        }
    return found


def _culprit(current: list[Row]) -> Row:
    for status in ("FAILURE", "REVOKED"):
        bad = [task for task in current if task["status"] == status]
        if bad:
            return min(bad, key=lambda task: (task["task_name"], task["task_id"]))
    return {"reason": None}


def _moments(event: Any) -> list[datetime]:
    names = ("submitted_at", "started_at", "finished_at", "revoked_at")
    return _told(_naive(getattr(event, name, None)) for name in names)


def batches(told: list[Any]) -> dict[str, Row]:
    """Every batch by its id."""
    all_chains = chains(told)
    found: dict[str, Row] = {}
    for batch_id in {event.batch_id for event in told if event.batch_id is not None}:
        mine = [event for event in told if event.batch_id == batch_id]
        images = [chain for chain in all_chains.values() if chain["batch_id"] == batch_id]
        announcements = [event for event in mine if isinstance(event, BatchSubmitted)]
        announced = max(_told(event.total_images for event in announcements), default=None)
        hinted = max(_told(getattr(event, "batch_total", None) for event in mine), default=None)
        run = max(
            (event.run for event in mine if not isinstance(event, BatchSubmitted | BatchRevoked)),
            default=1,
        )
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
        elif len(images) > count["PENDING"]:
            status = "STARTED"
        else:
            status = "PENDING"
        sizes = _told(event.chunk_size for event in announcements)
        size = max(sizes, key=_digest) if sizes else 10
        names = _told(event.batch_name for event in announcements)
        moments = [moment for event in mine for moment in _moments(event)]
        found[batch_id] = {
            "batch_id": batch_id,
            "batch_name": max(names, key=_digest) if names else None,
            "status": status,
            "total_known": promised is not None,
            "total_images": total,
            "seen_images": len(images),
            "completed_images": completed,
            "failed_images": failed,
            "revoked_images": revoked,
            "run": run,
            "revoked_run": revoked_run,
            "chunk_size": size,
            **_chunks(images, total if promised is not None else 0, size, ended=ended),
            "started_at": min(moments, default=None),
            "finished_at": max(moments, default=None) if ended else None,
            "cancel_due_at": None if ended else _cancel_due_at(mine, run),
        }
    return found


def _cancel_due_at(mine: list[Any], run: int) -> datetime | None:
    """The deadline, unless the run began after it."""
    options = _told(event.options for event in mine if isinstance(event, BatchSubmitted))
    if not options:
        return None
    try:
        deadline = datetime.fromisoformat(max(options, key=_digest)["deadline"])
    except ValueError:
        return None
    submissions = _told(
        event.submitted_at
        for event in mine
        if not isinstance(event, BatchSubmitted | BatchRevoked) and event.run == run
    )
    begins_later = run > 1 and submissions and min(submissions) >= deadline
    return None if begins_later else deadline


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


def images(told: list[Any]) -> dict[str, Row]:
    """The result that holds each path."""
    results = [
        event
        for event in told
        if isinstance(event, OcrSucceeded | OcrFailed)
        and getattr(event, "reason", None) != "revoked"
    ]
    found: dict[str, Row] = {}
    for path in {event.image_path for event in results}:
        candidates = [_result(event) for event in results if event.image_path == path]
        found[path] = max(candidates, key=lambda row: row["key"])
    return found


def _result(event: OcrSucceeded | OcrFailed) -> Row:
    boxes = event.boxes if isinstance(event, OcrSucceeded) else ()
    success = bool(boxes)
    error = None if success else getattr(event, "error", "No text boxes extracted")
    reason = None if success else getattr(event, "reason", "no_text")
    status = "success" if success else "failed"
    key = (
        _naive(event.submitted_at),
        event.run,
        event.chain_id,
        success,
        _digest([error, reason, event.public_path, boxes]),
    )
    return {
        "image_path": event.image_path,
        "chain_id": event.chain_id,
        "status": status,
        "error": error,
        "run": event.run,
        "texts": [box.text for box in boxes],
        "key": key,
    }
