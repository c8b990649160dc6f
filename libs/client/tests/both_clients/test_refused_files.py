"""One bad file costs no other, and a submission that broke off is continued."""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted_client import client, settle

from ocrstream_client import RefusedError, RefusedFile, UnreachableError
from ocrstream_client.file_search import LocalFile

OTHER_CONTENT = "Idempotency-Key belongs to another request"


class Ingest:
    """An ingest with a memory: `batch` is what it has of each index.

    A file `broken…` is refused, one `large…` makes its request too large.
    """

    def __init__(self) -> None:
        self.batch: dict[int, tuple[str, str | None]] = {}
        self.totals: list[int] = []
        self.published = 0
        self.down_at: int | None = None
        self._answers: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self._requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._requests += 1
        if self._requests == self.down_at:
            raise httpx.ConnectError("refused")
        content = request.content
        uploaded = request.url.path == "/v1/images"
        names: list[str] = []
        if uploaded:
            boundary = request.headers["content-type"].partition("boundary=")[2].encode()
            content = content.replace(boundary, b"")
            names = [name.decode() for name in re.findall(rb'filename="([^"]*)"', content)]
            if any(Path(name).name.startswith("large") for name in names):
                return httpx.Response(413, json={"title": "Too large", "detail": "by far"})
        key = request.headers["Idempotency-Key"]
        if key in self._answers:
            known, answer = self._answers[key]
            if known != content:
                problem = {"title": OTHER_CONTENT, "detail": "use a new key"}
                return httpx.Response(422, json=problem)
            return httpx.Response(202, json=answer)
        images: list[dict[str, Any]]
        if uploaded:
            first = int(re.findall(rb'name="first_index"\r\n\r\n(\d+)', content)[0])
            self.totals.append(int(re.findall(rb'name="batch_total"\r\n\r\n(\d+)', content)[0]))
            broken = {"reason": "undecodable", "error": "broken"}
            images = [
                {
                    "index": first + place,
                    "source_name": name,
                    "refused": broken if Path(name).name.startswith("broken") else None,
                }
                for place, name in enumerate(names)
            ]
        else:
            body = json.loads(content)
            self.totals.append(body["batch_total"])
            images = body["images"]
        self.published += len(images)
        for image in images:
            name = image.get("source_name") or image["image_path"]
            refused = image.get("refused")
            assert image["index"] not in self.batch
            self.batch[image["index"]] = name, refused and refused["reason"]
        self._answers[key] = content, {"images": images, "accepted_images": len(images)}
        return httpx.Response(202, json=self._answers[key][1])


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [folder / name for name in names]


def outcomes(ingest: Ingest) -> list[tuple[str, str | None]]:
    return [(Path(name).name, reason) for _, (name, reason) in sorted(ingest.batch.items())]


async def test_refused_files_fail_alone_and_are_named(kind: Any, tmp_path: Path) -> None:
    named = files(tmp_path, "a", "broken", "b", "large", "c", "d")
    gone = tmp_path / "e"
    gone.symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    ingest, refused = Ingest(), list[RefusedFile]()
    # A link that leads nowhere stands for a file that was removed after the client had found it.

    def find(_names: object, **_: object) -> list[LocalFile]:
        return found

    paths = [*named[:2], gone, *named[2:], tmp_path / "pipe"]
    found = [LocalFile(path, path.name) for path in paths]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ocrstream_client.submission.find_files", find)
        await settle(client(kind, ingest).submit("x", batch_id="b", on_refused=refused.append))
    assert outcomes(ingest) == [
        ("a", None),
        ("broken", "undecodable"),
        ("e", "not_found"),
        ("b", None),
        ("large", "too_large"),
        ("c", None),
        ("d", None),
        ("pipe", "refused"),
    ]
    assert set(ingest.totals) == {8}
    told = {(Path(one.source_name).name, one.reason) for one in refused}
    assert told == {("broken", "undecodable"), ("e", "not_found"), ("large", "too_large")} | {
        ("pipe", "refused")
    }
    assert all(one.error for one in refused)


async def test_a_reference_that_is_too_long_fails_alone(kind: Any) -> None:
    ingest, refused = Ingest(), list[RefusedFile]()
    long = "s3://b/" + "n" * 250
    names = ["s3://b/a.png", long, "s3://b/c.png"]
    await settle(client(kind, ingest).submit(names, on_refused=refused.append))
    assert [ingest.batch[index] for index in range(3)] == [
        ("s3://b/a.png", None),
        (long, "refused"),
        ("s3://b/c.png", None),
    ]
    assert [one.source_name for one in refused] == [long]


@pytest.mark.parametrize("down_at", [1, 2, 3, 4])
async def test_a_submission_that_broke_off_is_continued(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down_at: int
) -> None:
    monkeypatch.setattr("ocrstream_client.retrying._MAX_ATTEMPTS", 1)
    monkeypatch.setattr("ocrstream_client.submission._FILES_PER_REQUEST", 3)
    named = files(tmp_path, "0", "1", "2", "3", "broken", "large", "6", "7")
    names = [*named, "https://host/8.png"]
    ingest = Ingest()
    ingest.down_at = down_at
    with pytest.raises(UnreachableError):
        await settle(client(kind, ingest).submit(names, batch_id="b"))
    refused: list[RefusedFile] = []
    # Another process continues.
    batch = await settle(
        client(kind, ingest).submit(names, batch_id="b", on_refused=refused.append)
    )
    assert batch.batch_id == "b"
    assert ingest.published == len(ingest.batch) == 9
    expected = [str(number) for number in range(8)]
    expected[4:6] = ["broken", "large"]
    assert [name for name, _ in outcomes(ingest)] == [*expected, "8.png"]
    assert [Path(one.source_name).name for one in refused] == ["broken", "large"]


async def test_other_files_do_not_take_the_places_of_those_submitted(
    kind: Any, tmp_path: Path
) -> None:
    ingest = Ingest()
    named = files(tmp_path, "0", "1", "2")
    await settle(client(kind, ingest).submit(named, batch_id="b"))
    before = dict(ingest.batch)
    named[0].unlink()
    with pytest.raises(RefusedError, match="other files") as refused:
        await settle(client(kind, ingest).submit(named[1:], batch_id="b"))
    assert refused.value.status == 422
    with pytest.raises(RefusedError, match="Batch b has another image at index 0"):
        await settle(client(kind, ingest).submit("s3://b/a.png", batch_id="b"))
    assert ingest.batch == before
