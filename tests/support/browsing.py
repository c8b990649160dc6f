"""A person with a browser: what Chromium is started with, and what a page must never do."""

import asyncio
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Response, ViewportSize

CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}
SCREENSHOTS = Path(".local") / "screenshots"
"""What pages looked like, for whoever looks at a run of the tests."""

_SERIOUS = {"serious", "critical"}
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass
class Visitor:
    """One window on the dashboard at `url`; `faults` are what its pages did wrong."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list[str])

    @classmethod
    async def arrive(cls, context: BrowserContext, url: str) -> "Visitor":
        await context.add_init_script(_TELL_VIOLATIONS)
        visitor = cls(await context.new_page(), url)
        visitor.page.on("console", visitor._on_console)
        visitor.page.on("response", visitor._on_response)
        visitor.page.on("pageerror", lambda error: visitor.faults.append(str(error)))
        visitor.page.on("dialog", lambda dialog: visitor.faults.append(f"asks: {dialog.message}"))
        return visitor

    async def open(self, path: str) -> None:
        """Open an address of the dashboard; returns when its page is there."""
        await self.page.goto(self.url + path)
        await self.page.get_by_role("heading", level=1).wait_for()

    async def drop(self, *files: Path) -> None:
        """Drag files from the desktop to the middle of the window, and let them go."""
        session = await self.page.context.new_cdp_session(self.page)
        size = self.page.viewport_size
        assert size is not None
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            place = {"x": size["width"] // 2, "y": size["height"] // 2}
            await session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
        await session.detach()

    async def download(self, menu: str, item: str) -> tuple[str, bytes]:
        """The file that comes when an item of a menu is chosen: its name, and what it holds."""
        await self.page.get_by_role("button", name=menu, exact=True).click()
        async with self.page.expect_download() as coming:
            await self.page.get_by_role("menuitem", name=item, exact=True).click()
        file = await coming.value
        return file.suggested_filename, await asyncio.to_thread((await file.path()).read_bytes)

    async def shut_out(self) -> list[str]:
        """What keeps people out of the page as it is, by axe's rules; only what is serious."""
        await self.page.evaluate(AXE_SCRIPT)
        found: dict[str, Any] = await self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:300] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
        ]

    async def width_beyond_window(self) -> int:
        """By how many pixels the page is wider than the window."""
        return await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    async def settle(self) -> None:
        """Returns when nothing is being loaded and nothing moves."""
        await self.page.wait_for_load_state("networkidle")
        await self.page.evaluate(
            "Promise.all(document.getAnimations().filter("
            "(one) => one.effect.getComputedTiming().iterations !== Infinity)"
            ".map((one) => one.finished.catch(() => {})))"
        )

    async def shoot(self, name: str) -> None:
        """Keep a picture of what is shown."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        safe = re.sub(r"\W+", "-", name).strip("-")
        await self.page.screenshot(path=SCREENSHOTS / f"{safe}.png", animations="disabled")

    def _on_response(self, response: Response) -> None:
        # A request that an API cannot understand, like one with a parameter that it does not have.
        if response.status == HTTPStatus.UNPROCESSABLE_ENTITY and response.request.method == "GET":
            self.faults.append(f"422: {response.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        # That a picture is missing is told as an error, too, and is none of the page's.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)
