"""How far batches are: any number of them in one query."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
from psycopg import Cursor
from psycopg.rows import dict_row

from ocrstream_recorder.database.tables import BatchExecution
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.rules import throughput
from ocrstream_recorder.rules.status import DONE

RENEWAL_S = 5
"""How often pace and ETA are told anew while nothing else changes."""

# Rows from before the recorder may have NULL wherever the table lets them.
_LOOK = """
SELECT batch_id, batch_name, coalesce(status, 'PENDING') AS status, revision, run,
       coalesce(total_images, 0) AS total_images, total_known, seen_images,
       coalesce(completed_images, 0) AS completed_images,
       coalesce(failed_images, 0) AS failed_images, revoked_images, ended, started_at, finished_at,
       recent_images, recent_at, created_at, now() AS looked_at
FROM batch_executions WHERE batch_id = ANY(%s)
"""


class Estimates(NamedTuple):
    """What is expected of an unfinished batch; both are None of an ended one."""

    images_per_s: float | None
    eta_s: float | None


NOTHING = Estimates(None, None)


def estimate(
    left_images: int | None,
    recent_images: float,
    recent_at: datetime | None,
    created_at: datetime,
    looked_at: datetime,
) -> Estimates:
    """Pace and ETA by a row's columns, as of its last count or, if that is later, the last slot of
    `RENEWAL_S`; `left_images` is None while the total is unknown. Times have zones.
    """
    at = _slot(looked_at) if recent_at is None else max(recent_at, _slot(looked_at))
    counted_ago_s = 0.0 if recent_at is None else (at - recent_at).total_seconds()
    speed = throughput.images_per_s(recent_images, counted_ago_s, (at - created_at).total_seconds())
    return Estimates(speed, None if left_images is None else throughput.eta_s(left_images, speed))


class BatchProgress(msgspec.Struct, frozen=True, dict=True):
    """How far a batch is, by its columns' names; `progress` is 0 to 100.

    `images_per_s` counts those of the last half minute or so that were read or failed; `eta_s` is
    the time that the others take at that pace. Both are None once the batch has ended; `eta_s` also
    while the total is unknown or nothing moves.
    """

    batch_id: str
    batch_name: str | None
    status: str
    ended: bool
    progress: float
    revision: int
    run: int
    total_images: int
    total_known: bool
    seen_images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    started_at: datetime | None
    finished_at: datetime | None
    images_per_s: float | None
    eta_s: float | None

    @cached_property
    def as_json(self) -> str:
        """All of it as a JSON object, on one line."""
        return msgspec.json.encode(self).decode()

    @cached_property
    def state_id(self) -> str:
        """Names the state, all but its estimates: equal states of a batch have equal names."""
        told = msgspec.structs.replace(self, images_per_s=None, eta_s=None)
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:24]


def look(cursor: Cursor[Any], batch_ids: Iterable[str], zone: DatabaseZone) -> list[BatchProgress]:
    """Those of the batches that there are. Follows from the rows and the time's slot alone."""
    wanted = [batch_id for batch_id in batch_ids if _can_be_stored(batch_id)]
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        return [_progress(row, zone) for row in rows.execute(_LOOK, (wanted,))]


def _progress(row: dict[str, Any], zone: DatabaseZone) -> BatchProgress:
    recent_images, recent_at = row.pop("recent_images"), row.pop("recent_at")
    created_at, looked_at = row.pop("created_at").replace(tzinfo=UTC), row.pop("looked_at")
    progress = BatchExecution(**row).get_progress_percentage()
    for name in ("started_at", "finished_at"):
        row[name] = None if row[name] is None else zone.to_utc(row[name])
    row["ended"] = row["status"] in DONE
    expected = NOTHING
    if not row["ended"]:
        done = row["completed_images"] + row["failed_images"] + row["revoked_images"]
        left = row["total_images"] - done if row["total_known"] else None
        expected = estimate(left, recent_images, recent_at, created_at, looked_at)
    return BatchProgress(**row, progress=progress, **expected._asdict())


def _can_be_stored(text: str) -> bool:
    """Whether the server takes it at all; it would refuse all others for one."""
    return "\0" not in text and text == text.encode(errors="ignore").decode()


def _slot(moment: datetime) -> datetime:
    seconds = moment.timestamp()
    return datetime.fromtimestamp(seconds - seconds % RENEWAL_S, UTC)
