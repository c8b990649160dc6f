"""The progress of any number of batches, in one query."""

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
"""How often rate and ETA are updated while nothing else changes."""

# Rows from before the recorder may have NULL wherever the table lets them.
_PROGRESS = """
SELECT batch_id, batch_name, coalesce(status, 'PENDING') AS status, revision, run,
       coalesce(total_images, 0) AS total_images, total_known, seen_images,
       coalesce(completed_images, 0) AS completed_images,
       coalesce(failed_images, 0) AS failed_images, revoked_images, ended, started_at, finished_at,
       recent_images, recent_at, created_at, now() AS read_at
FROM batch_executions WHERE batch_id = ANY(%s)
"""


class Estimates(NamedTuple):
    """The rate and ETA of an unfinished batch; both are None for an ended batch."""

    images_per_s: float | None
    eta_s: float | None


NO_ESTIMATES = Estimates(None, None)


def estimate(
    remaining_images: int | None,
    recent_images: float,
    recent_at: datetime | None,
    created_at: datetime,
    read_at: datetime,
) -> Estimates:
    """Rate and ETA from the columns of a row. Times have zones.

    They are as of the row's last count or, if that is later, the last multiple of `RENEWAL_S`.
    `remaining_images` is None while the total is unknown.
    """
    at = _slot(read_at) if recent_at is None else max(recent_at, _slot(read_at))
    counted_ago_s = 0.0 if recent_at is None else (at - recent_at).total_seconds()
    rate = throughput.images_per_s(recent_images, counted_ago_s, (at - created_at).total_seconds())
    return Estimates(
        rate, None if remaining_images is None else throughput.eta_s(remaining_images, rate)
    )


class BatchProgress(msgspec.Struct, frozen=True, dict=True):
    """The progress of a batch, with the names of its columns; `progress` is 0 to 100.

    `images_per_s` is the rate of images that succeeded or failed in about the last half minute;
    `eta_s` is the time until the end at that rate. Both are None once the batch has ended; `eta_s`
    also while the total is unknown or the rate is 0.
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
        """All fields as a JSON object, on one line."""
        return msgspec.json.encode(self).decode()

    @cached_property
    def state_id(self) -> str:
        """A digest of all fields but the estimates: equal states of a batch have equal ids."""
        state = msgspec.structs.replace(self, images_per_s=None, eta_s=None)
        return hashlib.sha256(msgspec.json.encode(state)).hexdigest()[:24]


def read_progress(
    cursor: Cursor[Any], batch_ids: Iterable[str], zone: DatabaseZone
) -> list[BatchProgress]:
    """The progress of those batches that exist. The rows and the time's slot determine it."""
    storable = [batch_id for batch_id in batch_ids if _can_be_stored(batch_id)]
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        return [_progress(row, zone) for row in rows.execute(_PROGRESS, (storable,))]


def _progress(row: dict[str, Any], zone: DatabaseZone) -> BatchProgress:
    recent_images, recent_at = row.pop("recent_images"), row.pop("recent_at")
    created_at, read_at = row.pop("created_at").replace(tzinfo=UTC), row.pop("read_at")
    progress = BatchExecution(**row).get_progress_percentage()
    for name in ("started_at", "finished_at"):
        row[name] = None if row[name] is None else zone.to_utc(row[name])
    row["ended"] = row["status"] in DONE
    estimates = NO_ESTIMATES
    if not row["ended"]:
        done = row["completed_images"] + row["failed_images"] + row["revoked_images"]
        remaining = row["total_images"] - done if row["total_known"] else None
        estimates = estimate(remaining, recent_images, recent_at, created_at, read_at)
    return BatchProgress(**row, progress=progress, **estimates._asdict())


def _can_be_stored(text: str) -> bool:
    """Whether the server accepts the text; one that it refuses would fail the whole query."""
    return "\0" not in text and text == text.encode(errors="ignore").decode()


def _slot(moment: datetime) -> datetime:
    seconds = moment.timestamp()
    return datetime.fromtimestamp(seconds - seconds % RENEWAL_S, UTC)
