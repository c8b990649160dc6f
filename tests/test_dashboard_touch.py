"""The dashboard under fingers, on a phone."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from browsing import PHONE, Visitor
from playwright.async_api import Browser, CDPSession, Locator, Page, expect
from whole_system import System

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

Point = tuple[float, float]
STEPS = 10


@pytest.fixture
async def visitor(chromium: Browser, system: System) -> AsyncGenerator[Visitor]:
    """A person with a phone."""
    context = await chromium.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    visitor = await Visitor.arrive(context, system.recorder_url)
    yield visitor
    await context.close()
    assert visitor.faults == []


@dataclass
class Fingers:
    """Of one hand: they come down, move and leave at once."""

    page: Page
    session: CDPSession

    async def move(self, *ways: tuple[Point, Point]) -> None:
        """Each finger from its first point to its second one; returns when that is drawn."""
        for step in range(STEPS + 1):
            share = step / STEPS
            places = [
                (x + share * (to_x - x), y + share * (to_y - y)) for (x, y), (to_x, to_y) in ways
            ]
            await self._send("touchMove" if step else "touchStart", places)
        await self._send("touchEnd", [])
        await self.page.evaluate("new Promise(requestAnimationFrame)")

    async def _send(self, kind: str, places: list[Point]) -> None:
        points = [{"id": finger, "x": x, "y": y} for finger, (x, y) in enumerate(places)]
        await self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


async def middle(part: Locator) -> Point:
    place = await part.bounding_box()
    assert place is not None
    return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2


async def between(above: Locator, below: Locator) -> float:
    return (await middle(below))[1] - (await middle(above))[1]


async def test_fingers_move_the_picture_and_not_the_page(visitor: Visitor, system: System) -> None:
    await system.submit("touched", [system.image("touched.png", (620, 877))], 1)
    system.ended("touched")
    (image,) = system.images("touched")
    page = visitor.page
    fingers = Fingers(page, await page.context.new_cdp_session(page))
    await visitor.open(f"/images?path={image['image_path']}")
    boxes = page.get_by_role("group", name="Text boxes").locator("polygon")
    stage = page.get_by_role("region", name="Picture")
    await stage.scroll_into_view_if_needed()
    await visitor.settle()
    scrolled = await page.evaluate("scrollY")
    x, y = await middle(stage)

    # Two fingers that part make it larger.
    apart = await between(boxes.first, boxes.nth(12))
    await fingers.move(((x - 40, y - 30), (x - 100, y - 75)), ((x + 40, y + 30), (x + 100, y + 75)))
    assert await between(boxes.first, boxes.nth(12)) == pytest.approx(2.5 * apart, rel=0.01)

    # One finger takes it along.
    box_x, box_y = await middle(boxes.nth(12))
    await fingers.move(((x, y), (x - 30, y + 40)))
    assert await middle(boxes.nth(12)) == pytest.approx((box_x - 30, box_y + 40), abs=1)

    # What is between two fingers stays there.
    box_x, box_y = await middle(boxes.nth(12))
    await fingers.move(((x - 40, y - 30), (x - 60, y - 45)), ((x + 40, y + 30), (x + 60, y + 45)))
    grown = x + 1.5 * (box_x - x), y + 1.5 * (box_y - y)
    assert await middle(boxes.nth(12)) == pytest.approx(grown, abs=1.5)

    assert await page.evaluate("[scrollY, visualViewport.scale]") == [scrolled, 1]
    assert "box=" not in page.url

    # A finger that stays where it came down means the box beneath it.
    await fingers.move((grown, grown))
    await expect(boxes.nth(12)).to_have_attribute("aria-pressed", "true")
