"""What operators see and do in the dashboard, in a real browser."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def picture(system: System) -> bytes:
    name = f"{secrets.token_hex(4)}.png"
    system.image(name)
    return (system.folder / name).read_bytes()


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(
        [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    )


def batch_of(page: Page) -> str:
    """The batch whose page this is, once it is one."""
    page.wait_for_url(re.compile("/batches/"))
    return page.url.rpartition("/")[2]


def test_files_are_submitted_as_one_batch(system: System, page: Page) -> None:
    page.goto("/submit")
    choose(page, ("a.png", picture(system)), ("b.png", picture(system)))
    page.get_by_label("Batch name").fill("from the browser")
    page.get_by_label("Lane").select_option("urgent")
    page.get_by_role("button", name="Submit", exact=True).click()
    batch = system.ended(batch_of(page))
    assert (batch["batch_name"], batch["completed_images"]) == ("from the browser", 2)
    assert batch["options"] == {"lane": "urgent"}
    names = [image["source_name"] for image in system.images(batch["batch_id"])]
    assert names == ["a.png", "b.png"]


def test_a_file_that_is_refused_is_left_out_and_told(system: System, page: Page) -> None:
    page.goto("/submit")
    broken = ("broken.pdf", b"%PDF-1.7 and no more")
    choose(page, ("a.png", picture(system)), broken, ("b.png", picture(system)))
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text("2 images submitted")).to_be_visible()
    refused = page.get_by_role("row", name=re.compile("broken.pdf"))
    expect(refused).to_contain_text("refused")
    page.get_by_role("link", name="See the batch").click()
    batch = system.ended(batch_of(page))
    assert (batch["total_images"], batch["completed_images"]) == (2, 2)


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders as from the desktop."""
    files = [str(path) for path in paths]
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 300, "y": 300, "data": data}
        browser.send("Input.dispatchDragEvent", event)


@pytest.fixture
def folder(system: System) -> Path:
    """Two images, one deeper, beside what is not taken of a folder."""
    name = secrets.token_hex(4)
    for path in ("b.png", "a/c.png", ".hidden/d.png"):
        system.image(f"{name}/{path}")
    folder = system.folder / name
    (folder / "notes.txt").write_text("no image")
    return folder


def test_images_and_folders_dropped_on_any_page_are_submitted(
    system: System, page: Page, folder: Path
) -> None:
    system.image("single.png")
    page.goto("/workers")
    expect(page.get_by_role("heading", name="Workers and lag")).to_be_visible()
    drop(page, folder, system.folder / "single.png")
    expect(page.get_by_role("cell", name="single.png")).to_be_visible()
    page.get_by_role("button", name="Submit", exact=True).click()
    batch = system.ended(batch_of(page))
    names = [image["source_name"] for image in system.images(batch["batch_id"])]
    assert names == ["c.png", "b.png", "single.png"]


def test_a_folder_is_chosen_without_a_mouse(page: Page, folder: Path) -> None:
    page.goto("/submit")
    page.get_by_role("button", name="Choose a folder").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(folder)
    files = page.get_by_role("table", name="Files")
    expect(files.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="Remove b.png").press("Enter")
    expect(files.get_by_role("row")).to_have_count(2)


def test_without_ingest_submitting_says_why_it_is_off(page: Page) -> None:
    page.route("**/dashboard.json", lambda route: route.fulfill(json={"ingest_url": ""}))
    page.goto("/submit")
    expect(page.get_by_text("OCRSTREAM_INGEST_URL")).to_be_visible()
    expect(page.get_by_role("button", name="Choose files")).to_have_count(0)


async def test_a_failed_task_leads_to_its_timeline(system: System, page: Page) -> None:
    batch_id = secrets.token_hex(8)
    missing = (system.folder / "missing.png").as_uri()
    told = {"image_path": missing, "batch_id": batch_id, "index": 0, "batch_total": 1}
    await system.send(("images.submitted", None, told))
    system.ended(batch_id)
    page.goto("/tasks")
    page.get_by_label("Status").select_option("FAILURE")
    page.get_by_label("Reason").select_option("not_found")
    page.wait_for_url(re.compile("reason=not_found"))
    page.reload()
    tasks = page.get_by_role("table", name="Tasks")
    expect(tasks.get_by_text("SUCCESS")).to_have_count(0)
    tasks.get_by_role("link", name="ocr").first.click()
    expect(page.get_by_role("region", name="Run 1")).to_contain_text("attempt 1")
    expect(page.get_by_role("link", name=missing)).to_be_visible()


def test_workers_and_what_waits_for_them(system: System, page: Page) -> None:
    page.goto("/workers")
    workers = page.get_by_role("table", name="Workers")
    expect(workers.get_by_role("row").nth(1)).to_contain_text("alive")
    expect(workers).to_contain_text("noop")
    lag = page.get_by_role("table", name="Lag")
    expect(lag.get_by_role("row", name=re.compile("images.submitted.urgent"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Images read"))).to_be_visible()


def dead_letters(system: System, batch_id: str, count: int) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        answer = system.get("/v1/dead-letters", batch_id=batch_id)
        return answer["items"] if answer and len(answer["items"]) == count else None

    return eventually(f"{count} dead letters", look)


async def test_a_dead_letter_is_looked_at_corrected_and_redriven(
    system: System, page: Page
) -> None:
    batch_id = secrets.token_hex(8)
    harm = "<img src=x onerror=\"document.title='harmed'\">"
    told = {"image_path": system.image("redriven.png"), "batch_id": batch_id, "batch_total": 1}
    await system.send(("images.submitted", b"\xff\x00", {**told, "index": harm}), note="a note")
    (letter,) = dead_letters(system, batch_id, 1)
    page.goto(f"/dead-letters?batch={batch_id}")
    page.get_by_role("button", name=str(letter["id"]), exact=True).click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("region", name="Value")).to_contain_text("<img src=x")
    expect(drawer.get_by_role("region", name="Key")).to_contain_text("ff 00")
    expect(drawer.get_by_role("region", name="Header note")).to_have_text("a note")
    assert page.title() != "harmed"

    drawer.get_by_role("button", name="Correct it").click()
    drawer.get_by_label("Corrected value").fill("{")
    expect(drawer.get_by_role("button", name="Redrive corrected")).to_be_disabled()
    drawer.get_by_label("Corrected value").fill(json.dumps({**told, "index": 0}))
    drawer.get_by_role("button", name="Redrive corrected").click()
    page.get_by_role("dialog").last.get_by_role("button", name="Redrive", exact=True).click()
    expect(page.get_by_text("1 of 1 redriven")).to_be_visible()
    assert system.ended(batch_id)["completed_images"] == 1


async def test_selected_dead_letters_are_dropped_after_a_question(
    system: System, page: Page
) -> None:
    batch_id = secrets.token_hex(8)
    records = [{"batch_id": batch_id, "type": "OcrSucceeded", "n": n} for n in range(3)]
    await system.send(*(("ocr.results", None, one) for one in records))
    first, *others = dead_letters(system, batch_id, 3)
    page.goto(f"/dead-letters?batch={batch_id}")
    page.get_by_role("checkbox", name="Select all shown").check()
    page.get_by_role("checkbox", name=f"Select dead letter {first['id']}").uncheck()
    tools = page.get_by_role("toolbar", name="Selected dead letters")
    expect(tools).to_contain_text("2 selected")
    tools.get_by_role("button", name="Drop").click()
    question = page.get_by_role("dialog", name="Drop 2 dead letters?")
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("checkbox", name="Select dead letter")).to_have_count(3)
    tools.get_by_role("button", name="Drop").click()
    question.get_by_role("button", name="Drop").click()
    expect(page.get_by_text("2 of 2 dropped")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("checkbox", name="Select dead letter")).to_have_count(1)
    left = system.get("/v1/dead-letters", batch_id=batch_id, state="open")
    assert left is not None
    assert [one["id"] for one in left["items"]] == [first["id"]]
    assert others
