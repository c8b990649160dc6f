"""What `make up` says of its engine: which languages it reads, or what does."""

from pathlib import Path
from typing import Any

import pytest

from ocrstream_local.engines import check_engine, describe_problem
from ocrstream_local.errors import StackError
from ocrstream_local.stack import Layout, Stack

KOREAN: dict[str, Any] = {
    "engine": "rapidocr",
    "languages": ["ko", "en"],
    "reads": "Latin alphabets, Japanese",
    "problem": "small.onnx does not read Korean (ko)",
    "unread": ["Korean"],
    "proposals": [{"engine": "tesseract", "packages": []}],
}


def test_the_command_that_works_is_proposed() -> None:
    assert describe_problem(KOREAN).splitlines() == [
        "rapidocr does not read Korean; it reads Latin alphabets, Japanese.",
        "tesseract reads it, and is installed. Start it with:",
        "  OCRSTREAM_LANGUAGES=ko,en make up ENGINE=tesseract",
        "About models: small.onnx does not read Korean (ko)",
    ]


@pytest.mark.parametrize(
    ("packages", "by_make"),
    [
        (["tesseract-ocr", "tesseract-ocr-kor"], True),
        (["tesseract-ocr", "tesseract-ocr-deu"], False),
    ],
)
def test_what_must_be_installed_is_said_first(packages: list[str], by_make: bool) -> None:
    proposal = {"engine": "tesseract", "packages": packages}
    text = describe_problem({**KOREAN, "proposals": [proposal]})
    assert f"apt-get install {' '.join(packages)}. Then start it with:\n  OCRSTREAM" in text
    assert ("make system-packages, or" in text) is by_make


def test_any_other_problem_is_said_in_the_engines_words() -> None:
    answer = {**KOREAN, "unread": [], "problem": "no library", "proposals": []}
    assert describe_problem(answer) == "rapidocr cannot be used: no library."


def test_an_engine_that_reads_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRSTREAM_LANGUAGES", "de,ko")
    said = check_engine("noop")
    assert said == (
        "The workers' engine noop reads nothing: it invents lines (OCRSTREAM_LANGUAGES=de,ko)"
    )


def test_nothing_starts_if_the_engine_does_not_read_the_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCRSTREAM_LANGUAGES", "ko")
    stack = Stack(Layout(tmp_path), print)
    with pytest.raises(
        StackError, match=r"rapidocr does not read Korean; it reads Latin"
    ) as caught:
        stack.up(workers=1, engine="rapidocr")
    assert "\n  OCRSTREAM_LANGUAGES=ko make up ENGINE=tesseract\n" in str(caught.value)
    assert stack.status().processes == {}
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]


def test_a_setting_that_workers_refuse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCRSTREAM_MAX_ATTEMPTS", "none at all")
    with pytest.raises(StackError, match="OCRSTREAM_MAX_ATTEMPTS"):
        check_engine("noop")
