"""Pages of the dashboard that follow a batch, also when what they listen to breaks off."""

import asyncio
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from browsing import Visitor
from playwright.async_api import Page, Route, expect
from whole_system import API, System, eventually

from ocrstream_local import processes
from ocrstream_schemas.topics import IMAGES_SUBMITTED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# What the page says of the batch and of its connection, each time that it says something else.
_LISTEN = """
() => {
  window.said = { done: [], connection: [] };
  const note = (all, text) => text && text !== all.at(-1) && all.push(text);
  const look = () => {
    const region = document.querySelector("[aria-label=Progress]");
    note(said.done, /\\d+ of \\d+ images done/.exec(region?.textContent)?.[0]);
    note(said.connection, region?.querySelector("[role=status]")?.textContent);
  };
  new MutationObserver(look).observe(document.body, {
    subtree: true, childList: true, characterData: true
  });
  look();
}
"""


@dataclass
class Connection:
    """One request for a batch's events: its Last-Event-ID, and the events that it received."""

    last_event_id: str | None = None
    answered: bool = False
    told: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


async def connections_of(page: Page) -> dict[str, Connection]:
    """The event connections that the page opens from now on, in order."""
    found: dict[str, Connection] = {}
    # The headers that were sent come in a separate event, before or after the request's.
    headers: dict[str, dict[str, str]] = {}

    def on_request(event: dict[str, Any]) -> None:
        if event["request"]["url"].endswith("/events"):
            found[event["requestId"]] = Connection()

    def on_headers(event: dict[str, Any]) -> None:
        headers[event["requestId"]] = event["headers"]

    def on_response(event: dict[str, Any]) -> None:
        if (connection := found.get(event["requestId"])) is not None:
            connection.answered = True
            connection.last_event_id = headers[event["requestId"]].get("Last-Event-ID")

    def on_message(event: dict[str, Any]) -> None:
        found[event["requestId"]].told.append((event["eventId"], event["data"]))

    session = await page.context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", on_request)
    session.on("Network.requestWillBeSentExtraInfo", on_headers)
    session.on("Network.responseReceived", on_response)
    session.on("Network.eventSourceMessageReceived", on_message)
    await session.send("Network.enable")
    return found


def submitted(system: System, batch_id: str, index: int) -> tuple[str, None, dict[str, Any]]:
    image_path = system.image(f"{batch_id}-{index}.png")
    told = {"image_path": image_path, "batch_id": batch_id, "index": index}
    return IMAGES_SUBMITTED, None, told


async def test_progress_is_shown_as_it_happens(visitor: Visitor, system: System) -> None:
    batch_id = f"live-{secrets.token_hex(4)}"
    await system.submit(batch_id, [system.image("there.png")], 3)
    eventually("the batch", lambda: system.get(f"/v1/batches/{batch_id}"))
    await visitor.open(f"/batches/{batch_id}")
    progress = visitor.page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("Live", exact=True)).to_be_visible()
    for done in (1, 2, 3):
        await expect(progress.get_by_text(f"{done} of 3 images done")).to_be_visible()
        if done < 3:
            await system.send(submitted(system, batch_id, done))


async def test_progress_goes_on_where_a_connection_broke_off(
    visitor: Visitor, system: System
) -> None:
    batch_id = f"cut-{secrets.token_hex(4)}"
    await system.submit(batch_id, [system.image("there.png")], 3)
    page = visitor.page
    connections = await connections_of(page)
    eventually("the batch", lambda: system.get(f"/v1/batches/{batch_id}"))
    await visitor.open(f"/batches/{batch_id}")
    progress = page.get_by_role("region", name="Progress")
    live, reconnecting = (
        progress.get_by_text(text, exact=True) for text in ("Live", "Disconnected: reconnecting")
    )
    await expect(progress.get_by_text("1 of 3 images done")).to_be_visible()
    await expect(live).to_be_visible()
    await page.evaluate(_LISTEN)

    # No image changes during the break: no event is repeated, and later events arrive.
    processes.kill(system.processes[API])
    await expect(reconnecting).to_be_visible()
    system.start(API)
    await expect(live).to_be_visible()
    await system.send(submitted(system, batch_id, 1))
    await expect(progress.get_by_text("2 of 3 images done")).to_be_visible()

    # An image changes during the break: its event arrives after the reconnect.
    processes.kill(system.processes[API])
    await expect(reconnecting).to_be_visible()
    await system.send(submitted(system, batch_id, 2))
    eventually("the last image", lambda: True if recorded(system, batch_id) == 3 else None)
    system.start(API)
    await expect(progress.get_by_text("3 of 3 images done")).to_be_visible()
    await expect(live).to_be_visible()

    said = await page.evaluate("said")
    assert said["done"] == [f"{done} of 3 images done" for done in (1, 2, 3)]
    assert said["connection"] == [
        "Live",
        *("Disconnected: reconnecting", "Live"),
        *("Disconnected: reconnecting", "Live"),
    ]
    first, second, third = (one for one in connections.values() if one.answered)
    assert first.last_event_id is None
    assert second.last_event_id == first.told[-1][0]
    assert third.last_event_id == second.told[-1][0]
    # Rate and time left may be sent again under the same id.
    told = first.told + second.told + third.told
    assert len(set(told)) == len(told)
    assert json.loads(told[-1][1])["completed_images"] == 3


async def test_a_page_keeps_what_it_shows_and_asks_again_by_itself(
    visitor: Visitor, system: System
) -> None:
    batch_id = f"cut-{secrets.token_hex(4)}"
    await system.submit(batch_id, [system.image("there.png")], 2)
    eventually("the batch", lambda: system.get(f"/v1/batches/{batch_id}"))
    page = visitor.page
    row = re.compile(rf"/v1/batches/{batch_id}$")
    cut = asyncio.Semaphore(0)

    async def cut_off(route: Route) -> None:
        await route.abort()
        cut.release()

    await page.route(row, cut_off)
    await visitor.open(f"/batches/{batch_id}")
    await expect(page.get_by_role("alert", name="Service unreachable")).to_be_visible()
    await page.unroute(row)
    progress = page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("1 of 2 images done")).to_be_visible()
    await expect(progress.get_by_text("Live", exact=True)).to_be_visible()

    # The batch ends, and every refetch fails, as often as the page tries before it shows an error.
    cut = asyncio.Semaphore(0)
    await page.route(row, cut_off)
    await system.send(submitted(system, batch_id, 1))
    for _ in range(5):
        await asyncio.wait_for(cut.acquire(), timeout=60)
    await expect(progress.get_by_text("2 of 2 images done")).to_be_visible()
    assert await page.get_by_role("alert").count() == 0


def recorded(system: System, batch_id: str) -> int:
    """The number of the batch's images that the recorder has written as read."""
    with psycopg.connect(system.database) as connection:
        row = connection.execute(
            "SELECT completed_images FROM batch_executions WHERE batch_id = %s", (batch_id,)
        ).fetchone()
    assert row is not None
    return row[0]
