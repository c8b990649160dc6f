"""How light and quick the dashboard is in a real browser: `make bench-dashboard`.

A real recorder serves the built dashboard to Chromium without a window, which draws by software.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from browsing import CHROMIUM_OPTIONS, WIDE
from dashboard_frames import GESTURE_S, OPTION, Movement, movements
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from read_listeners import quantile
from recorder_load import fill
from report import Row, limited, publish, reaching, say
from rig import LOCAL, Rig

PICTURES = (LOCAL / "bench-dashboard-images").resolve()
UPDATES = 20
IMAGES, STEP_PX = 10_000, 1_600
BOXES = 500
TIMEOUT_MS = 60_000
_LOADED = {"Document", "Script", "Stylesheet"}

_LIVE = """
INSERT INTO batch_executions (batch_id, run, status, total_images, seen_images, total_known,
                              announced_total, started_at)
VALUES ('live', 1, 'RUNNING', 1000, 1000, true, 1000, now())
"""
_PROGRESS = "UPDATE batch_executions SET completed_images = %s WHERE batch_id = 'live'"
_PAGE = """
INSERT INTO ocr_executions (image_path, status, run, submitted_at)
VALUES (%s, 'success', 1, now()) RETURNING id
"""
_BOXES = """
INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox)
SELECT %(id)s, 'a line of text, number ' || n, 0.5 + n / 1000.0,
       json_build_array(json_build_array(x, y), json_build_array(x + 420, y),
                        json_build_array(x + 420, y + 24), json_build_array(x, y + 24))
FROM (SELECT n, 60 + 480 * (n %% 5) x, 40 + 34 * (n / 5) y
      FROM generate_series(0, %(boxes)s - 1) n) places
"""
# The moment at which each count was put on the page, by the clock that all processes share.
_WATCH = """
() => {
  window.shown = {};
  new MutationObserver(() => {
    const count = /^([\\d,]+) of 1,000 images done/m.exec(document.body.innerText)?.[1];
    if (count !== undefined) window.shown[count] ??= Date.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""
_SCROLL = """
async (to) => {
  scrollTo(0, to);
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  return document.querySelectorAll("*").length;
}
"""


@contextmanager
def opened(browser: Browser, url: str, path: str) -> Generator[Page]:
    """A page of the dashboard in a browser that has seen none before."""
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(url + path)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    yield page
    context.close()


def first_load_kb(browser: Browser, url: str, path: str) -> float:
    """What an address takes of scripts, styles and markup, as they came over the wire."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    session = context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}

    def on_response(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"]

    def on_finished(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", on_response)
    session.on("Network.loadingFinished", on_finished)
    session.send("Network.enable")
    page.goto(url + path)
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    context.close()
    return sum(size for key, size in sizes.items() if kinds.get(key) in _LOADED) / 1000


def most_elements(browser: Browser, url: str) -> float:
    """The most elements that the page has while a batch is scrolled from top to end."""
    with opened(browser, url, "/batches/old-0") as page:
        page.locator("[aria-posinset='1'] a").wait_for()
        most, place = 0, 0
        while place < page.evaluate("document.documentElement.scrollHeight - innerHeight"):
            place += STEP_PX
            most = max(most, page.evaluate(_SCROLL, place))
        # It was scrolled, and what is there now is shown.
        page.locator(f"[aria-posinset='{IMAGES}'] a").wait_for()
        return float(max(most, page.evaluate("document.querySelectorAll('*').length")))


def progress_ms(browser: Browser, url: str, database: str) -> list[float]:
    """From each commit of a batch's progress until the page has it."""
    took: list[float] = []
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_LIVE)
        with opened(browser, url, "/batches/live") as page:
            page.get_by_text("Live", exact=True).wait_for()
            page.evaluate(_WATCH)
            for done in range(1, UPDATES + 1):
                # At another moment each time between two looks of whoever looks now and then.
                time.sleep(0.2 + 0.083 * done % 1)
                connection.execute(_PROGRESS, (done,))
                committed_ms = 1000 * time.time()
                page.get_by_text(f"{done} of 1,000 images done").wait_for()
                took.append(page.evaluate(f"window.shown['{done}']") - committed_ms)
    return took


def gestures(browser: Browser, url: str, database: str) -> list[Movement]:
    """An image with many boxes pans and zooms."""
    image = PICTURES / "page.png"
    Image.effect_noise((2480, 3508), 30).save(image)
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(_PAGE, (image.as_uri(),)).fetchone()
        assert row is not None
        connection.execute(_BOXES, {"id": row[0], "boxes": BOXES})
    with opened(browser, url, f"/images?path={image.as_uri()}") as page:
        boxes = page.get_by_role("group", name="Text boxes").locator("polygon")
        boxes.nth(BOXES - 1).wait_for()
        place = page.get_by_role("region", name="Picture").bounding_box()
        assert place is not None
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        return movements(browser, page, x, y)


def measure(browser: Browser, url: str, database: str) -> Generator[Row]:
    for name, path in (("batches", "/"), ("a batch", "/batches/old-0"), ("search", "/search")):
        size = first_load_kb(browser, url, path)
        yield limited(300, f"first load of {name}, gzipped", "kB", size)
    elements = most_elements(browser, url)
    yield limited(3_000, f"elements while a batch of {IMAGES:,} scrolls, most", "", elements)
    took = progress_ms(browser, url, database)
    yield limited(1_000, f"committed progress on the screen, slowest of {UPDATES}", "ms", max(took))
    yield Row("committed progress on the screen, median", round(statistics.median(took), 1), "ms")
    moved = gestures(browser, url, database)
    what = f"an image with {BOXES} boxes pans and zooms"
    shown, due = sum(len(one.shown_ms) for one in moved), sum(one.due for one in moved)
    per_s = shown / sum(one.seconds for one in moved)
    yield reaching(60, f"{what}, frames a second", "1/s", round(per_s))
    yield Row(f"{what}, frames that were due and not shown", round(100 * (1 - shown / due), 1), "%")
    for one in moved:
        yield Row(
            f"  {one.name}, frames a second", round(len(one.shown_ms) / one.seconds, 1), "1/s"
        )
    intervals = [interval for one in moved for interval in one.intervals_ms]
    for share in (0.5, 0.95, 0.99):
        interval = quantile(intervals, share)
        yield Row(f"{what}, between frames, p{100 * share:g}", round(interval, 2), "ms")


def main() -> None:
    argparse.ArgumentParser(description="How light and quick the dashboard is.").parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("Chromium is not installed; make system-packages, as root, installs it")
    PICTURES.mkdir(parents=True, exist_ok=True)
    os.environ["OCRSTREAM_IMAGE_ROOTS"] = str(PICTURES)
    try:
        with Rig("dashboard") as rig, rig.database() as database:
            say(f"Filling a database with {IMAGES:,} images")
            fill(database, IMAGES)
            with (
                rig.recorder_api(database) as (url, _),
                sync_playwright() as playwright,
            ):
                browser = playwright.chromium.launch(
                    executable_path=program, args=[*CHROMIUM_OPTIONS, OPTION]
                )
                rows: list[Row] = []
                for row in measure(browser, url, database):
                    say(f"  {row.measure}: {row.value} {row.unit}")
                    rows.append(row)
                version = browser.version
                browser.close()
    finally:
        shutil.rmtree(PICTURES, ignore_errors=True)
    publish(
        "dashboard",
        rows,
        f"Chromium {version} without a window or a GPU, drawing by software on the cores that the"
        " recorder, Kafka and PostgreSQL use, too. Frames are those that its own trace says were"
        f" shown, with all that was new, between the first and the last input of gestures that take"
        f" about {GESTURE_S} s, come 120 times a second and begin at rest.",
    )


if __name__ == "__main__":
    main()
