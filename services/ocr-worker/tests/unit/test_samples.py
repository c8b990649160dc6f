"""The sample images: the same every time, and each is read, or not, as its manifest says."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ocrstream_schemas.events import Reason
from ocrstream_worker.decode import DecodeLimits, Decoder
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.port import EngineSettings, Recognition, RecognitionOptions
from ocrstream_worker.errors import PermanentImageError

SCRIPT = Path(__file__).parents[4] / "samples" / "make.py"


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    file: str
    kind: str
    language: str
    expect: str
    contains: list[str]


def make(folder: Path) -> list[Entry]:
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, capture_output=True)
    return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=list[Entry])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples") / "made" / "on demand"


@pytest.fixture(scope="module")
def entries(folder: Path) -> list[Entry]:
    return make(folder)


def test_what_the_set_holds(entries: list[Entry], folder: Path) -> None:
    assert len(entries) >= 24
    assert {file.name for file in folder.iterdir()} == {
        "manifest.json",
        *(entry.file for entry in entries),
    }
    assert {entry.kind for entry in entries} >= {
        "receipt",
        "letter",
        "table",
        "form",
        "dark",
        "noisy",
        "skewed",
        "blank",
        "corrupt",
    }
    assert {entry.expect for entry in entries} == {"text", "no_text", "undecodable"}
    assert all(bool(entry.contains) == (entry.expect == "text") for entry in entries)


def test_making_them_again_changes_nothing(entries: list[Entry], folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    make(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert json.loads(before["manifest.json"])


def test_each_is_read_as_the_manifest_says(entries: list[Entry], folder: Path) -> None:
    decoder = Decoder(DecodeLimits())
    engine = create_engine(EngineSettings())
    engine.warm_up()
    unread: dict[str, list[str]] = {}
    for entry in entries:
        content = (folder / entry.file).read_bytes()
        if entry.expect == "undecodable":
            with pytest.raises(PermanentImageError) as caught:
                decoder.decode(content)
            assert caught.value.reason is Reason.UNDECODABLE
            continue
        (outcome,) = engine.recognize([decoder.decode(content)], [RecognitionOptions()])
        assert isinstance(outcome, Recognition)
        assert bool(outcome.boxes) == (entry.expect == "text"), entry.file
        text = "\n".join(box.text for box in outcome.boxes)
        if missing := [word for word in entry.contains if word not in text]:
            unread[entry.file] = [*missing, text]
    assert unread == {}
