"""Takes the README's pictures of the dashboard, from the stack that runs here and what it has read.

`make pictures` runs it, after a `make demo` or a submission of the samples.
"""

import io
import json
import shutil
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from browsing import CHROMIUM_OPTIONS
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

FOLDER = Path(__file__).parent / "images"
STACK = Path(".local") / "stack.env"
WINDOW: ViewportSize = {"width": 1280, "height": 800}
# Beneath are an image's details, which tell where it lies on this machine.
_IMAGE_HEIGHT = 690


def recorder_url() -> str:
    """Where the stack's dashboard is. Exits if it does not run."""
    lines = STACK.read_text(encoding="utf-8").splitlines() if STACK.exists() else []
    found = dict(line.split("=", 1) for line in lines)
    if "RECORDER_URL" not in found:
        sys.exit("The stack does not run; start it with: make up")
    return found["RECORDER_URL"]


def ask(url: str, path: str, **parameters: str) -> Any:
    """The items of a list of the recorder's."""
    with urllib.request.urlopen(f"{url}{path}?{urllib.parse.urlencode(parameters)}") as answer:  # noqa: S310
        return json.load(answer)["items"]


def shoot(page: Page, address: str, name: str, height: int) -> None:
    """Open an address and keep the upper part of what it shows."""
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for()
    pictures = page.get_by_role("main").locator("img")
    pictures.first.wait_for()
    pictures.evaluate_all("all => Promise.allSettled(all.map(one => one.decode()))")
    taken = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    taken.crop((0, 0, WINDOW["width"], height)).save(FOLDER / name, optimize=True)
    print(FOLDER / name)  # noqa: T201


def main() -> None:
    """Writes `batch.png` and `image.png`."""
    url = recorder_url()
    batches = ask(url, "/v1/batches", limit="1")
    images = ask(url, "/v1/ocr-executions", status="success")
    if not batches or not images:
        sys.exit("Nothing has been read here; submit the samples with: make demo")
    fullest = max(images, key=lambda one: one["text_box_count"])
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        page = browser.new_page(viewport=WINDOW, reduced_motion="reduce")
        batch = urllib.parse.quote(batches[0]["batch_id"], safe="")
        shoot(page, f"{url}/batches/{batch}", "batch.png", WINDOW["height"])
        path = urllib.parse.urlencode({"path": fullest["image_path"]})
        shoot(page, f"{url}/images?{path}", "image.png", _IMAGE_HEIGHT)
        browser.close()


if __name__ == "__main__":
    main()
