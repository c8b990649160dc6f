"""`ocrstream batches`: lists batches."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from ocrstream_client.client import Client
from ocrstream_client.models import BatchStatus
from ocrstream_client.tables import Column, Kind, print_table
from ocrstream_client.terminal import notes, print_json

_COLUMNS = (
    Column("batch", Kind.ID),
    Column("name", Kind.NAME, least_name=8),
    Column("status"),
    Column("done", Kind.NUMBER),
    Column("started"),
)
_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class Status(StrEnum):
    """The status of a batch."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"


def batches(
    *,
    name: Annotated[str | None, typer.Option(help="Only batches with exactly this name")] = None,
    status: Annotated[Status | None, typer.Option(help="Only in this status")] = None,
    initiated_by: Annotated[str | None, typer.Option(help="Only of this initiator")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_DATES, help="Only started at this local time or later"),
    ] = None,
    before: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Only started before this local time")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number to show")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """List batches, the newest first.

    For example, what failed today: ocrstream batches --status FAILURE --since 2026-05-01

    The id of the newest: ocrstream batches --limit 1 --json | jq -r .batch_id
    """
    with Client() as client:
        found = client.batches(
            batch_name=name,
            status=status,
            initiated_by=initiated_by,
            started_from=since and since.astimezone(),
            started_before=before and before.astimezone(),
        )
        shown = list(islice(found, limit))
        has_more = len(shown) == limit and next(found, None) is not None
    if as_json:
        for batch in shown:
            print_json(asdict(batch))
    elif shown:
        print_table(_COLUMNS, _rows(shown))
    else:
        notes.print("there is no such batch")
    if has_more:
        notes.print(f"there are more; show them with --limit {2 * limit}")


def _rows(shown: Iterable[BatchStatus]) -> Iterable[list[str]]:
    for batch in shown:
        total = f"{batch.total_images:,}" if batch.total_known else "?"
        yield [
            batch.batch_id,
            batch.batch_name or "-",
            batch.status,
            f"{batch.done_images:,}/{total}",
            "-" if batch.started_at is None else _local_time(batch.started_at),
        ]


def _local_time(moment: str) -> str:
    local = datetime.fromisoformat(moment).astimezone()
    this_year = local.year == datetime.now(UTC).astimezone().year
    return local.strftime("%m-%d %H:%M" if this_year else "%Y-%m-%d")
