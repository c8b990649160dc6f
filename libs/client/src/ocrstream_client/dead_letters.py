"""`ocrstream dlq`: list, show, redrive and drop dead letters."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ocrstream_client.client import Client
from ocrstream_client.models import DeadLetter, NotDone
from ocrstream_client.tables import Column, Kind, Wrapped, print_table
from ocrstream_client.terminal import SOME_FAILED, AsJson, notes, print_json, printable

app = typer.Typer(
    no_args_is_help=True,
    help="""List, show, redrive and drop dead letters: records that the recorder could not apply.

    List the open ones with `ocrstream dlq list`. See the reason and the record of one with
    `ocrstream dlq show 7`. When you have fixed the reason, send it again with
    `ocrstream dlq redrive 7`, or all of a kind with
    `ocrstream dlq redrive --topic ocr.results --reason refused_by_database`.

    Exit codes: 0 all changed, 1 some not changed, 2 wrong usage, 3 the system does not answer.
    """,
)

_IDS_PER_REQUEST = 100
_COLUMNS = (
    Column("id", Kind.NUMBER),
    Column("state"),
    Column("topic", Kind.NAME),
    Column("partition/offset"),
    Column("batch", Kind.ID),
    Column("reason and error", Kind.TEXT),
)


class State(StrEnum):
    """The state of a dead letter."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DROPPED = "dropped"


class Reason(StrEnum):
    """Why the recorder could not apply a record."""

    INVALID = "invalid"
    REFUSED_BY_DATABASE = "refused_by_database"


Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", help="As `list` shows them")]
Topic = Annotated[str | None, typer.Option(help="Only from this topic, like images.submitted")]
ReasonFilter = Annotated[Reason | None, typer.Option(help="Only with this reason")]
BatchFilter = Annotated[str | None, typer.Option("--batch", help="Only those that name this batch")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation")]


@app.command("list")
def list_letters(
    *,
    topic: Topic = None,
    reason: ReasonFilter = None,
    batch_id: BatchFilter = None,
    state: Annotated[State, typer.Option(help="Only in this state")] = State.OPEN,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number to show")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line")] = False,
) -> None:
    """List dead letters, the newest first.

    For example: ocrstream dlq list --topic images.submitted --state redriven
    """
    with Client() as client:
        found = client.dead_letters(topic=topic, reason=reason, state=state, batch_id=batch_id)
        shown = list(islice(found, limit))
        has_more = next(found, None) is not None
    if as_json:
        for letter in shown:
            print_json(asdict(letter))
    else:
        print_table(_COLUMNS, map(_cells, shown))
    if has_more:
        notes.print(f"there are more; show them with --limit {2 * limit}")


@app.command()
def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="As `list` shows it")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter: its reason, and the record's key, value and headers.

    For example, to correct its value: ocrstream dlq show 7 --json | jq -r .value.text
    """
    with Client() as client:
        letter = client.dead_letter(letter_id)
    if as_json:
        print_json(letter)
        return
    coordinates = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    lines = [
        f"dead letter {letter['id']}: {letter['state']}, redriven {letter['redrives']} times",
        f"from      {coordinates}, {letter['timestamp']}",
        f"reason    {letter['reason']}",
        f"error     {letter['error']}",
        f"chain     {letter['chain_id'] or '-'}",
        f"batch     {letter['batch_id'] or '-'}",
    ]
    if letter["gone"]:
        lines.append("Kafka has deleted the record: submit its image again")
    else:
        headers = letter["headers"]
        lines += [f"header    {one['name']}: {_render(one['value'])}" for one in headers]
        lines += [f"key       {_render(letter['key'])}", f"value     {_render(letter['value'])}"]
    print("\n".join(lines))  # noqa: T201


@app.command()
def redrive(
    ids: Ids = None,
    *,
    topic: Topic = None,
    reason: ReasonFilter = None,
    batch_id: BatchFilter = None,
    value: Annotated[
        str | None,
        typer.Option(
            help="The value to send instead, for one dead letter: JSON, @FILE, or - for stdin"
        ),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters to their topics again, after you have fixed their reason.

    Choose them by id, or all open ones of a topic, a reason or a batch. An image that failed
    because of a dead letter gets the outcome in the record. A second redrive changes nothing.

    For example, with a corrected value: ocrstream dlq redrive 7 --value @corrected.json
    """
    correction = None if value is None else _correction(value)
    with Client() as client:
        chosen = _chosen(client, ids, topic, reason, batch_id)
        if correction is not None and len(chosen) != 1:
            raise typer.BadParameter(
                f"--value is for one dead letter, not {len(chosen)}: give its ID"
            )
        _confirm("redrive", chosen, ids, yes=yes)
        _apply("redriven", chosen, partial(client.redrive, value=correction), as_json=as_json)


@app.command()
def drop(
    ids: Ids = None,
    *,
    topic: Topic = None,
    reason: ReasonFilter = None,
    batch_id: BatchFilter = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Mark dead letters as dropped, so that `list` does not show them as open.

    Choose them by id, or all open ones of a topic, a reason or a batch. Kafka keeps the records,
    and an image that failed because of one stays failed. You can redrive a dropped one by its id.

    For example: ocrstream dlq drop --topic tasks.lifecycle --reason invalid
    """
    with Client() as client:
        chosen = _chosen(client, ids, topic, reason, batch_id)
        _confirm("drop", chosen, ids, yes=yes)
        _apply("dropped", chosen, client.drop, as_json=as_json)


def _chosen(
    client: Client,
    ids: list[int] | None,
    topic: str | None,
    reason: Reason | None,
    batch_id: str | None,
) -> list[int]:
    filters = (topic, reason, batch_id)
    if bool(ids) == any(one is not None for one in filters):
        raise typer.BadParameter("Give IDs, or else --topic, --reason or --batch")
    if ids:
        return ids
    found = client.dead_letters(topic=topic, reason=reason, batch_id=batch_id, state=State.OPEN)
    return [letter.id for letter in found]


def _confirm(what: str, chosen: list[int], ids: list[int] | None, *, yes: bool) -> None:
    """Asks for confirmation if filters chose them; without a terminal requires --yes."""
    if ids or yes or not chosen:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"the filters match {len(chosen)} dead letters: add --yes to {what} them"
        )
    typer.confirm(f"{what.capitalize()} {len(chosen)} dead letters?", abort=True, err=True)


def _apply(
    what: str, chosen: list[int], change: Callable[[list[int]], list[NotDone]], *, as_json: bool
) -> None:
    """Changes them in groups, so that it reports the failures of each group at once."""
    not_done: list[NotDone] = []
    groups = (
        chosen[start : start + _IDS_PER_REQUEST]
        for start in range(0, len(chosen), _IDS_PER_REQUEST)
    )
    for failure in (failure for group in groups for failure in change(group)):
        notes.print(f"dead letter {failure.id}: {failure.detail}", markup=False, soft_wrap=True)
        not_done.append(failure)
    done = len(chosen) - len(not_done)
    if as_json:
        print_json({what: done, "failures": [asdict(one) for one in not_done]})
    else:
        print(f"{done} of {len(chosen)} dead letters {what}")  # noqa: T201
    if not_done:
        raise typer.Exit(SOME_FAILED)


def _correction(value: str) -> dict[str, Any]:
    if value == "-":
        value = sys.stdin.read()
    elif value.startswith("@"):
        value = Path(value[1:]).read_text(encoding="utf-8")
    try:
        correction = json.loads(value)
    except ValueError as error:
        raise typer.BadParameter(f"--value is not valid JSON: {error}") from error
    if not isinstance(correction, dict):
        raise typer.BadParameter("--value is not a JSON object")
    return correction


def _cells(letter: DeadLetter) -> list[str]:
    return [
        str(letter.id),
        letter.state,
        letter.topic,
        f"{letter.partition}/{letter.offset}",
        letter.batch_id or "-",
        Wrapped(f"{letter.reason}: {letter.error}"),
    ]


def _render(content: dict[str, str | None] | None) -> str:
    """Returns bytes from the API for a terminal, without control characters."""
    if content is None:
        return "-"
    text = content["text"]
    if text is None:
        return f"base64 {content['base64']}"
    return printable(text)
