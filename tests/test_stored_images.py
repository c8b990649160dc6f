"""Images of an object store, from their submission to their pictures and pages."""

import io
import secrets
from collections.abc import Generator

import httpx
import obstore
import pypdfium2
import pytest
from obstore.store import S3Store
from odd_files import s3_server
from PIL import Image
from whole_system import System

pytestmark = pytest.mark.integration

SHOWN, HIDDEN = "s3://scans/shown/a.png", "s3://scans/hidden/a.png"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """An environment that leads to a server with an image whose left half is dark, twice."""
    shown = Image.new("L", (600, 400), "white")
    shown.paste(0, (0, 0, 300, 400))
    file = io.BytesIO()
    shown.save(file, "PNG")
    with s3_server("scans") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for reference in (SHOWN, HIDDEN):
            obstore.put(S3Store("scans"), reference.removeprefix("s3://scans/"), file.getvalue())
        yield


def half_dark(image: Image.Image) -> bool:
    gray = image.convert("L")
    left, right = (gray.getpixel((gray.width * part // 4, gray.height // 2)) for part in (1, 3))
    return (left, right) == (0, 255)


async def test_what_is_read_of_a_store_is_shown_as_far_as_it_is_allowed(
    bare_system: System, s3: None
) -> None:
    system, batch_id = bare_system, secrets.token_hex(8)
    system.start("recorder", wait=False, OCRSTREAM_OBJECT_STORES="s3://scans/shown")
    system.start("worker-1", wait=False, OCRSTREAM_OBJECT_STORES="s3://scans")
    for name in ("recorder", "worker-1"):
        system.wait(name)
    images = [
        {"image_path": path, "batch_id": batch_id, "index": index, "batch_total": 2}
        for index, path in enumerate((SHOWN, HIDDEN))
    ]
    await system.send(*[("images.submitted", None, image) for image in images])
    assert system.ended(batch_id)["completed_images"] == 2

    async with httpx.AsyncClient(base_url=f"{system.recorder_url}/v1", timeout=60) as recorder:
        for more, size in (({}, (600, 400)), ({"width": "60"}, (60, 40))):
            answer = await recorder.get("/pictures", params={"image_path": SHOWN, **more})
            picture = Image.open(io.BytesIO(answer.content))
            assert picture.size == size
            assert half_dark(picture)
        refused = await recorder.get("/pictures", params={"image_path": HIDDEN})
        assert (refused.status_code, refused.json()["reason"]) == (403, "refused")
        exported = await recorder.get(f"/batches/{batch_id}/export", params={"format": "pdf"})

    pages = list(pypdfium2.PdfDocument(exported.content))
    said = [page.get_textpage().get_text_bounded() for page in pages]
    assert all("line 1" in text for text in said)
    assert half_dark(pages[0].render(scale=1).to_pil())
    assert not half_dark(pages[1].render(scale=1).to_pil())
    assert "OCRSTREAM_OBJECT_STORES" not in said[0]
    assert "OCRSTREAM_OBJECT_STORES" in said[1]
