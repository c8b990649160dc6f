"""What an engine says of the languages before a worker starts, and what else reads them."""

import json
import os
import subprocess
import sys

import pytest
from engine_pages import needs_tesseract

from ocrstream_worker.check import Proposal, check
from ocrstream_worker.engines.port import EngineSettings


def test_an_engine_that_reads_them_says_what_it_reads() -> None:
    found = check(EngineSettings(languages=("en", "ja")))
    assert found.problem is None
    assert found.reads is not None
    assert "Japanese" in found.reads


def test_who_reads_what_rapidocr_lacks() -> None:
    needs_tesseract("kor")
    found = check(EngineSettings(languages=("ko",)))
    assert found.unread == ("Korean",)
    assert found.reads is not None
    assert found.reads.startswith("Latin alphabets (not Vietnamese), Japanese, Chinese")
    assert found.problem is not None
    assert "korean_PP-OCRv5_rec_mobile.onnx" in found.problem
    assert found.proposals == (Proposal(engine="tesseract"),)


def test_packages_are_named_where_nothing_installed_reads_them() -> None:
    found = check(EngineSettings(languages=("ka", "th")))
    assert found.unread == ("Georgian", "Thai")
    packages = ("tesseract-ocr", "tesseract-ocr-kat", "tesseract-ocr-tha")
    assert found.proposals in (
        (Proposal(engine="tesseract", packages=packages),),
        (Proposal(engine="tesseract"),),
    )


def test_rapidocr_is_proposed_where_tesseract_has_no_model() -> None:
    needs_tesseract("eng")
    found = check(EngineSettings(engine="tesseract", languages=("zh", "sw")))
    assert found.problem is not None
    assert found.proposals[0] == Proposal(engine="rapidocr")
    assert found.proposals[1].packages[1:] == ("tesseract-ocr-chi-sim", "tesseract-ocr-swa")


def test_for_an_unknown_language_nothing_is_proposed() -> None:
    found = check(EngineSettings(languages=("klingon",)))
    assert found.problem is not None
    assert "unknown language or script klingon" in found.problem
    assert found.proposals == ()


@pytest.mark.parametrize(("engine", "code"), [("noop", 0), ("rapidocr", 1)])
def test_the_command_prints_one_object(engine: str, code: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ocrstream_worker.check"],
        env={**os.environ, "OCRSTREAM_ENGINE": engine, "OCRSTREAM_LANGUAGES": "klingon"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    assert json.loads(ran.stdout)["languages"] == ["klingon"]
