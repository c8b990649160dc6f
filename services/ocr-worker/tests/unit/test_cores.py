"""Threads are as many as the cores set apart, and one where nothing is."""

import os
from pathlib import Path

import pytest

from ocrstream_worker.cores import default_engine_threads


def _set_affinity(monkeypatch: pytest.MonkeyPatch, *cores: int) -> None:
    def affinity(process: int) -> set[int]:
        assert process == 0, "0 is this process"
        return set(cores)

    monkeypatch.setattr(os, "sched_getaffinity", affinity, raising=False)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    _set_affinity(monkeypatch, *range(8))


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        (None, 1),
        ("max 100000", 1),
        ("800000 100000", 1),
        ("1600000 100000", 1),
        ("400000 100000", 4),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("what is this", 1),
    ],
)
def test_a_control_groups_quota(tmp_path: Path, limit: str | None, threads: int) -> None:
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit + "\n")
    assert default_engine_threads(tmp_path) == threads


def test_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_affinity(monkeypatch, 1, 2, 5)
    assert default_engine_threads(tmp_path) == 3
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    assert default_engine_threads(tmp_path) == 2
