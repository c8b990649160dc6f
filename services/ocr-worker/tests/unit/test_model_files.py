"""Models on disk are those that their publisher lists; none comes in unasked."""

import hashlib
from collections.abc import Generator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving import serving

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.model_files import ModelFile, find_or_fetch, hash_files, sha256_of

CONTENT = b"a model" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Publisher(SimpleHTTPRequestHandler):
    asked: int = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.path != "/model.onnx":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@pytest.fixture
def publisher() -> Generator[str]:
    """Address of a server that has `/model.onnx`."""
    _Publisher.asked = 0
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Publisher)) as url:
        yield url


def test_not_fetched_unless_allowed(publisher: str, tmp_path: Path) -> None:
    model = ModelFile("model.onnx", f"{publisher}/model.onnx", DIGEST)
    assert find_or_fetch(model, tmp_path, fetch=False) is None
    assert _Publisher.asked == 0


@pytest.mark.parametrize("digits", [64, 8])
def test_fetched_once_and_checked(publisher: str, tmp_path: Path, digits: int) -> None:
    folder = tmp_path / "new" / "models"
    model = ModelFile("model.onnx", f"{publisher}/model.onnx", DIGEST[:digits])
    for _ in range(2):
        assert find_or_fetch(model, folder, fetch=True) == folder / "model.onnx"
    assert (folder / "model.onnx").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]
    assert _Publisher.asked == 1


def test_another_content_is_not_kept(publisher: str, tmp_path: Path) -> None:
    model = ModelFile("model.onnx", f"{publisher}/model.onnx", "0" * 64)
    with pytest.raises(EngineUnavailableError, match=f"SHA-256 is {DIGEST} and should"):
        find_or_fetch(model, tmp_path, fetch=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_that_name_with_another_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(EngineUnavailableError, match="not the model that its publisher lists"):
        find_or_fetch(ModelFile("model.onnx", "", DIGEST), tmp_path, fetch=True)


@pytest.mark.parametrize("path", ["/other.onnx", None])
def test_what_cannot_be_fetched_says_so(publisher: str, tmp_path: Path, path: str | None) -> None:
    url = f"{publisher}{path}" if path else "http://127.0.0.1:9/model.onnx"
    with pytest.raises(EngineUnavailableError, match=f"cannot fetch {url}"):
        find_or_fetch(ModelFile("model.onnx", url, DIGEST), tmp_path, fetch=True)
    assert list(tmp_path.iterdir()) == []


def test_hashes_are_told_by_role_and_name(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(CONTENT)
    assert hash_files({"one": path, "two": path}) == {"one/a.onnx": DIGEST, "two/a.onnx": DIGEST}
    with pytest.raises(EngineUnavailableError, match="cannot read the model"):
        sha256_of(tmp_path / "none")
