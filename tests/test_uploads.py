"""Uploads through the whole system: documents as their pages, and a folder that cannot be used."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from documents import pdf
from whole_system import System, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def upload(
    system: System,
    name: str,
    content: bytes,
    form: dict[str, str],
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    return httpx.post(
        f"{system.ingest_url}/v1/images",
        files={"files": (name, content)},
        data=form,
        headers=headers,
        timeout=60,
    )


def picture(system: System) -> bytes:
    name = f"{secrets.token_hex(4)}.png"
    system.image(name)
    return (system.folder / name).read_bytes()


def test_every_page_of_a_document_is_read_at_its_own_place(system: System) -> None:
    batch_id = secrets.token_hex(8)
    told = {"batch_id": batch_id, "index_pages": "true", "batch_total": "2"}
    first = upload(system, "three.pdf", pdf(3), {"first_index": "0", **told})
    assert first.status_code == 202, first.text
    following = 1 + max(image["index"] for image in first.json()["images"])
    told["batch_total"] = str(first.json()["total_images"])
    second = upload(system, "one.png", picture(system), {"first_index": str(following), **told})
    assert second.status_code == 202, second.text

    batch = system.ended(batch_id)
    assert (batch["status"], batch["total_images"], batch["completed_images"]) == ("SUCCESS", 4, 4)
    # Every image has a place, so there are chunks.
    assert (batch["total_chunks"], batch["completed_chunks"]) == (1, 1)
    images = system.images(batch_id)
    assert [(one["index"], one["source_name"], one.get("page")) for one in images] == [
        (0, "three.pdf", 1),
        (1, "three.pdf", 2),
        (2, "three.pdf", 3),
        (3, "one.png", None),
    ]
    for image in images:
        read = system.get("/v1/images", image_path=image["image_path"])
        assert read is not None
        assert read["text_boxes"]


def take_away(root: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def put_a_file_there(root: Path) -> None:
    take_away(root)
    root.touch()


@pytest.mark.parametrize("break_it", [take_away, put_a_file_there])
def test_while_uploads_cannot_be_kept_ingest_says_so_and_nothing_is_lost(
    own_system: System, break_it: Callable[[Path], None]
) -> None:
    system = own_system
    for name in ("recorder", "ingest", "worker-1"):
        system.start(name, wait=False)
    for name in ("recorder", "ingest", "worker-1"):
        system.wait(name)
    root = system.folder / "objects"
    earlier = {"batch_id": secrets.token_hex(8)}
    assert upload(system, "a.png", picture(system), earlier).status_code == 202
    assert system.ended(earlier["batch_id"])["completed_images"] == 1

    break_it(root)
    readiness(system, 503)
    content, later = picture(system), {"batch_id": secrets.token_hex(8)}
    key = {"Idempotency-Key": secrets.token_hex(8)}
    refused = upload(system, "b.png", content, later, key)
    assert refused.status_code == 507, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    assert "ingest stored nothing" in refused.json()["detail"]
    assert system.get(f"/v1/batches/{later['batch_id']}") is None

    if root.exists():
        root.unlink()
    root.with_name("elsewhere").rename(root)
    readiness(system, 200)
    assert upload(system, "b.png", content, later, key).status_code == 202
    batch = system.ended(later["batch_id"])
    assert (batch["total_images"], batch["completed_images"]) == (1, 1)
    # What was there before can still be read.
    (image,) = system.images(earlier["batch_id"])
    assert httpx.URL(image["image_path"]).path.startswith(str(root))
    assert Path(httpx.URL(image["image_path"]).path).read_bytes()


def readiness(system: System, status: int) -> None:
    """Returns when ingest's `/readyz` answers with this status, for the object store alone."""

    def look() -> dict[str, Any] | None:
        answer = httpx.get(f"{system.ingest_url}/readyz", timeout=10)
        troubles: dict[str, str] = answer.json()["troubles"]
        assert troubles.keys() <= {"object_store"}
        return troubles if answer.status_code == status else None

    said = eventually(f"an ingest that answers {status}", look)
    if status == 503:
        assert "OCRSTREAM_OBJECT_ROOT" in said["object_store"]
