"""`ocrstream search`, against a scripted recorder."""

import json
from functools import partial
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from ocrstream_client import Addresses, Client
from ocrstream_client.cli import app

BOX: dict[str, Any] = {"confidence": 0.5, "bbox": [[0, 0], [1, 0], [1, 1], [0, 1]]}
HIT: dict[str, Any] = {
    "image_path": "s3://scans/a.pdf/2.png",
    "public_path": None,
    "chain_id": "c",
    "batch_id": "b",
    "index": 1,
    "source_name": "a.pdf",
    "page": 2,
    "text_boxes": [{**BOX, "text": "합계 \x1b[31m1,000"}, {**BOX, "text": "[b]원[/b]"}],
}


def run(monkeypatch: pytest.MonkeyPatch, hits: int, *arguments: str, waiting: int = 0) -> Result:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["q"] == "합계"
        index = {"waiting_images": waiting, "oldest_waiting_s": 0.0}
        page = {"items": [HIT] * hits, "next_cursor": None, "index": index}
        return httpx.Response(200, json=page)

    addresses = Addresses("http://ingest", "http://recorder")
    scripted = partial(Client, addresses, transport=httpx.MockTransport(answer))
    monkeypatch.setattr("ocrstream_client.searching.Client", scripted)
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["search", "합계", *arguments])


def test_hits_are_a_table_that_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run(monkeypatch, 1)
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[1].split()[:3] == ["a.pdf", "2", "b"]
    assert "합계  [31m1,000 / [b]원[/b]" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_hits_for_programs_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run(monkeypatch, 2, "--json")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["image_path"] for one in told] == [HIT["image_path"]] * 2
    assert told[0]["boxes"] == [
        {"text": box["text"], "confidence": 0.5, "bbox": box["bbox"]} for box in HIT["text_boxes"]
    ]


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run(monkeypatch, 3, "--limit", "2", "--json", waiting=1)
    assert len(ran.stdout.splitlines()) == 2
    assert "--limit 4" in ran.stderr
    assert "1 image that" in ran.stderr
    assert "--limit" not in run(monkeypatch, 2, "--limit", "2").stderr


def test_nothing_found_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, 0).exit_code == 1
