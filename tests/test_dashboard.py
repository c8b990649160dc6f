"""The dashboard in a real browser, on a whole system."""

import csv
import io
import secrets
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from browsing import PHONE, WIDE, Visitor
from PIL import Image
from playwright.async_api import Browser, ViewportSize, expect
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

COMMANDS, RESULTS = "batches.commands", "ocr.results"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def scans(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        Image.effect_noise((620, 877), 40).save(file)
    return files


async def read_as(system: System, batch_id: str, image_path: str, *texts: str) -> None:
    """A batch of one image that says `texts`, a line each."""
    now = datetime.now(UTC).isoformat()
    boxes = [
        {
            "text": text,
            "confidence": 0.4 + 0.1 * line,
            "bbox": [[20, y], [580, y], [580, y + 60], [20, y + 60]],
        }
        for line, text in enumerate(texts)
        for y in (100 + 90 * line,)
    ]
    result: dict[str, Any] = {
        "type": "OcrSucceeded",
        "chain_id": f"{batch_id}-0",
        "task_id": f"{batch_id}-0",
        "batch_id": batch_id,
        "batch_total": 1,
        "index": 0,
        "image_path": image_path,
        "source_name": HOSTILE,
        "submitted_at": now,
        "started_at": now,
        "finished_at": now,
        "boxes": boxes,
        "provenance": {
            "engine": "rapidocr",
            "versions": {"ocrstream": "2", "rapidocr": "3.10.0"},
            "width": 620,
            "height": 877,
            "turn": 90,
            "ordered": True,
            "warnings": [{"code": "low_confidence", "detail": HOSTILE}],
        },
    }
    announced = {
        "type": "BatchSubmitted",
        "batch_id": batch_id,
        "batch_name": HOSTILE,
        "total_images": 1,
    }
    await system.send((COMMANDS, None, announced), (RESULTS, None, result))
    system.ended(batch_id)


async def test_dropped_files_are_submitted_watched_and_opened(
    visitor: Visitor, tmp_path: Path
) -> None:
    page = visitor.page
    await visitor.open("/")
    await visitor.drop(*scans(tmp_path, "first.png", "second.tif", "third.jpg"))
    await expect(page.get_by_text("second.tif")).to_be_visible()
    name = f"dropped {secrets.token_hex(4)}"
    await page.get_by_label("Batch name").fill(name)
    await page.get_by_role("button", name="Submit", exact=True).click()

    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    progress = page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("3 of 3 images done")).to_be_visible()
    tiles = page.get_by_role("list", name="Images").get_by_role("link")
    await expect(tiles).to_have_count(3)
    for tile in await tiles.all():
        await expect(tile.locator("img")).to_have_js_property("naturalWidth", 320)
    await visitor.settle()
    await visitor.shoot("batch")

    await tiles.filter(has_text="second.tif").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("second.tif")
    boxes = page.get_by_role("group", name="Text boxes").locator("polygon")
    await expect(boxes).to_have_count(30)
    lines = page.get_by_role("listbox", name="Lines of text")
    await boxes.nth(11).click()
    await expect(lines.get_by_role("option", selected=True)).to_contain_text("line 12")
    assert "box=" in page.url
    await lines.get_by_role("option").nth(3).click()
    await expect(boxes.nth(3)).to_have_attribute("aria-pressed", "true")
    # The boxes' coordinates are pixels of the original image.
    await expect(page.get_by_role("group", name="Text boxes")).to_have_attribute(
        "viewBox", "0 0 620 877"
    )
    await visitor.settle()
    await visitor.shoot("image")

    # The URL selects the same box again.
    address = page.url
    await page.goto(address)
    await expect(lines.get_by_role("option", selected=True)).to_contain_text("line 4")


async def test_text_is_found_and_is_never_markup(visitor: Visitor, system: System) -> None:
    word = secrets.token_hex(6)
    batch_id = f"hostile-{word}"
    image_path = system.image(f"{batch_id}.png", (620, 877))
    await read_as(system, batch_id, image_path, HOSTILE, f"invoice {word}", "&lt;b&gt; \u202e tail")

    def found() -> bool | None:
        hits = system.get("/v1/search", q=word)
        return True if hits and hits["items"] else None

    eventually("the search's index", found)
    page = visitor.page
    await visitor.open("/search")
    await page.get_by_label("Text on images").fill(word)
    hit = page.get_by_role("list", name="Images found").get_by_role("listitem")
    await expect(hit).to_have_count(1)
    await expect(hit).to_contain_text(word)
    await expect(hit.get_by_role("link", name=f"in batch {HOSTILE}")).to_be_visible()
    await visitor.settle()
    await visitor.shoot("search")
    await hit.get_by_role("link").first.click()
    selected = page.get_by_role("listbox").get_by_role("option", selected=True)
    await expect(selected).to_contain_text(f"invoice {word}")

    for path in (f"/batches/{batch_id}", "/", "/search?q=onerror", "/tasks"):
        await visitor.open(path)
        await visitor.settle()
    await page.go_back()
    await expect(page.get_by_text("<script>alert(2)</script>").first).to_be_visible()
    assert await page.locator("img[src=x], script:not([src])").count() == 0


async def test_what_was_read_is_downloaded(visitor: Visitor, system: System) -> None:
    batch_id = f"kept-{secrets.token_hex(4)}"
    image_path = system.image(f"{batch_id}.png", (620, 877))
    await read_as(system, batch_id, image_path, "Rechnung 17", "82,50 €")

    await visitor.open(f"/images?path={image_path}")
    name, text = await visitor.download("Download", "Text")
    assert name.endswith(".txt")
    assert text.decode().splitlines() == ["Rechnung 17", "82,50 €"]
    name, pdf = await visitor.download("Download", "Searchable PDF")
    assert name.endswith(".pdf")
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")

    await visitor.open(f"/batches/{batch_id}")
    name, table = await visitor.download("Export", "CSV, a row for each box")
    assert name.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    assert [(row["image_path"], row["text"]) for row in rows] == [
        (image_path, "Rechnung 17"),
        (image_path, "82,50 €"),
    ]
    name, archive = await visitor.download("Export", "ZIP, a file for each image")
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.testzip() is None
        (read,) = [one for one in files.namelist() if one.endswith(".txt")]
        assert files.read(read).decode().splitlines() == ["Rechnung 17", "82,50 €"]


async def test_what_speaks_against_a_text_is_told(visitor: Visitor, system: System) -> None:
    batch_id = f"doubtful-{secrets.token_hex(4)}"
    image_path = system.image(f"{batch_id}.png", (620, 877))
    await read_as(system, batch_id, image_path, "Rechnung 17")

    page = visitor.page
    await visitor.open(f"/batches/{batch_id}?warning=small_text")
    await expect(page.get_by_text("No matching images")).to_be_visible()
    await page.get_by_role("combobox", name="Warning").click()
    await page.get_by_role("option", name="Low confidence").click()
    tile = page.get_by_role("link", name="Read: Low confidence")
    await expect(tile).to_have_count(1)
    await visitor.settle()
    await visitor.shoot("batch with a warning")
    assert await visitor.shut_out() == []

    await tile.click()
    notice = page.get_by_role("status").filter(has_text="The text may be wrong")
    await expect(notice).to_contain_text(f"Low confidence. {HOSTILE}")
    provenance = page.get_by_role("region", name="Provenance")
    for fact in (
        "rapidocr on cpu",
        "ocrstream 2, rapidocr 3.10.0",
        "620",
        "by 90° clockwise",
    ):
        await expect(provenance).to_contain_text(fact)
    await visitor.settle()
    await visitor.shoot("image with a warning")
    assert await visitor.shut_out() == []


async def test_a_failed_image_is_read_again(visitor: Visitor, system: System) -> None:
    batch_id = f"retry-{secrets.token_hex(4)}"
    late = system.folder / f"{batch_id}.png"
    await system.submit(batch_id, [system.image("there.png"), late.as_uri()], 2)
    assert system.ended(batch_id)["status"] == "FAILURE"
    page = visitor.page
    await visitor.open(f"/batches/{batch_id}")
    await page.get_by_text("Failures", exact=True).click()
    await expect(page.get_by_text("not found").first).to_be_visible()
    system.image(late.name)
    await page.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    progress = page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("SUCCESS")).to_be_visible()


async def test_a_batch_is_cancelled(visitor: Visitor, system: System) -> None:
    batch_id = f"cancel-{secrets.token_hex(4)}"
    await system.submit(batch_id, [system.image("there.png")], 5)
    page = visitor.page

    def known() -> bool | None:
        return True if system.get(f"/v1/batches/{batch_id}") else None

    eventually("the batch", known)
    await visitor.open(f"/batches/{batch_id}")
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel the batch").click()
    progress = page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("REVOKED")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()


async def test_one_goes_from_image_to_image(visitor: Visitor, system: System) -> None:
    batch_id = f"paged-{secrets.token_hex(4)}"
    names = ("scan-a.png", "other.png", "scan-b.png", "SCAN-c.png")
    paths = [system.image(f"{batch_id}/{name}") for name in names]
    gone = (system.folder / batch_id / "scan-gone.png").as_uri()
    await system.submit(batch_id, [*paths, gone], 5)
    system.ended(batch_id)
    page = visitor.page
    await visitor.open(f"/batches/{batch_id}")
    progress = page.get_by_role("region", name="Progress")
    await expect(progress.get_by_text("4 of 5 read, 1 failed")).to_be_visible()
    tiles = page.get_by_role("list", name="Images").get_by_role("link")
    await expect(tiles).to_have_count(5)
    await page.get_by_text("Failures", exact=True).click()
    await expect(page.get_by_role("region", name="Not found")).to_be_visible()
    await page.go_back()
    await expect(tiles).to_have_count(5)

    await page.get_by_label("Name", exact=True).fill("scan-")
    await page.get_by_role("combobox", name="Outcome").click()
    await page.get_by_role("option", name="Read", exact=True).click()
    await expect(tiles).to_have_count(3)
    await visitor.settle()
    await visitor.shoot("batch filtered by name")
    await tiles.first.click()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("scan-a.png")
    before, after = (page.get_by_role("button", name=name) for name in ("Previous", "Next"))
    await expect(after).to_be_enabled()
    await expect(before).to_be_disabled()
    await page.keyboard.press("ArrowRight")
    await expect(heading).to_have_text("scan-b.png")
    await after.click()
    await expect(heading).to_have_text("SCAN-c.png")
    await expect(before).to_be_enabled()
    await expect(after).to_be_disabled()
    await visitor.settle()
    await visitor.shoot("image in a batch")
    await page.keyboard.press("ArrowLeft")
    await expect(heading).to_have_text("scan-b.png")
    await page.go_back()
    await expect(tiles).to_have_count(3)
    await expect(page.get_by_label("Name", exact=True)).to_have_value("scan-")


async def test_a_task_leads_to_its_image_and_batch(visitor: Visitor, system: System) -> None:
    batch_id = f"tasks-{secrets.token_hex(4)}"
    path = system.image(f"{batch_id}.png")
    await read_as(system, batch_id, path, "Rechnung 17")
    page = visitor.page
    await visitor.open(f"/tasks?batch={batch_id}")
    row = page.get_by_role("table", name="Tasks").get_by_role("row").nth(1)
    await expect(row.get_by_role("link", name=HOSTILE)).to_have_count(2)
    await expect(page.get_by_role("table", name="Tasks").get_by_role("row")).to_have_count(2)
    await visitor.settle()
    await visitor.shoot("tasks of a batch")
    await row.get_by_role("link", name=HOSTILE).first.click()
    await expect(page.get_by_role("listbox")).to_contain_text("Rechnung 17")


async def test_files_that_cannot_be_read_are_warned_of(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    (scan,) = scans(tmp_path, "scan.png")
    page = visitor.page
    await visitor.open("/submit")
    files = page.get_by_label("Files", exact=True).and_(page.locator("input"))
    await files.set_input_files([tmp_path / "notes.txt", tmp_path / "empty.png", scan])
    warning = page.get_by_role("status").filter(has_text="2 files will probably fail")
    await expect(warning).to_contain_text("notes.txt (not a supported kind), empty.png (empty)")
    await expect(warning).to_contain_text("jpeg, jpg")
    await visitor.settle()
    await visitor.shoot("submit with a warning")
    assert await visitor.shut_out() == []
    await warning.get_by_role("button", name="Leave them out").click()
    await expect(warning).to_have_count(0)
    await expect(page.get_by_text("1 file, ")).to_be_visible()


PAGES = {
    "batches": "/",
    "batch": "/batches/{batch}",
    "batch failures": "/batches/{batch}?view=failures",
    "batch chunks": "/batches/{batch}?view=chunks",
    "image": "/images?path={path}",
    "image unknown": "/images?path=file:///nothing.png",
    "search": "/search?q=line",
    "search empty": "/search",
    "tasks": "/tasks",
    "chain": "/chains/{chain}",
    "workers": "/workers",
    "dead letters": "/dead-letters",
    "submit": "/submit",
    "no page": "/nothing/of/this",
    "no batch": "/batches/unheard-of",
}


@pytest.fixture
async def seen(system: System) -> dict[str, str]:
    """The ids in the URLs: a batch with one image that is read and one that fails."""
    batch_id = "seen"
    if system.get(f"/v1/batches/{batch_id}") is None:
        gone = (system.folder / "gone.png").as_uri()
        await system.submit(batch_id, [system.image("seen.png", (620, 877)), gone], 2)
        # A record that cannot be applied, so that the page lists a dead letter.
        await system.send((RESULTS, None, b"{}"))
    system.ended(batch_id)
    (read, _) = system.images(batch_id)
    return {"batch": batch_id, "path": read["image_path"], "chain": read["chain_id"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_pages_are_for_everybody(
    chromium: Browser, system: System, seen: dict[str, str], scheme: Any, size: ViewportSize
) -> None:
    context = await chromium.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce"
    )
    visitor = await Visitor.arrive(context, system.recorder_url)
    wrong: list[str] = []
    for name, address in PAGES.items():
        await visitor.open(address.format(**seen))
        await visitor.settle()
        await visitor.shoot(f"{name} {scheme} {size['width']}")
        wrong += [f"{name}: {trouble}" for trouble in await visitor.shut_out()]
        if beyond := await visitor.width_beyond_window():
            wrong.append(f"{name}: {beyond} pixels too wide")
    await context.close()
    assert not wrong, "\n".join(wrong)
    assert visitor.faults == []


async def test_it_can_be_used_without_a_pointer(visitor: Visitor, seen: dict[str, str]) -> None:
    page = visitor.page
    await visitor.open("/workers")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    skip = page.get_by_role("link", name="Skip to content")
    await skip.focus()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")

    await visitor.open(f"/images?path={seen['path']}")
    option = page.get_by_role("listbox", name="Lines of text").get_by_role("option")
    await option.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(option.nth(1)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(option.nth(1)).to_have_attribute("aria-selected", "true")
