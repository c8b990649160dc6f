"""`ocrstream results`, against a scripted recorder."""

import json
from functools import partial
from typing import Any

import httpx
import pytest
from scripted_client import ADDRESSES, recorder, row
from typer.testing import CliRunner, Result

from ocrstream_client import Client
from ocrstream_client.cli import app

ROWS: list[dict[str, Any]] = [
    row(0, warnings=["low_confidence", "newer\x1b[31m"]),
    row(1, warnings=[]),
]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[Result, list[str | None]]:
    asked: list[str | None] = []
    told = recorder(*ROWS)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/b/images"):
            asked.append(request.url.params.get("warning"))
        return told(request)

    scripted = partial(Client, ADDRESSES, transport=httpx.MockTransport(answer))
    monkeypatch.setattr("ocrstream_client.status_results.Client", scripted)
    ran = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["results", "b", *arguments])
    assert ran.exit_code == 0, ran.stderr
    return ran, asked


def test_a_table_says_what_speaks_against_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, asked = run(monkeypatch)
    first, second = ran.stdout.splitlines()[1:]
    assert "(low_confidence, newer" in first
    assert "file:///0.png and more" in first
    assert "(" not in second
    assert "\x1b" not in ran.stdout
    assert asked == [None]


def test_images_are_chosen_by_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, asked = run(monkeypatch, "--warning", "low_confidence", "--format", "jsonl")
    assert asked == ["low_confidence"]
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert told[0]["warnings"] == ROWS[0]["warnings"]
    assert told[0]["provenance"] == {"engine": "of file:///0.png"}
