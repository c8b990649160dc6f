"""Where images are read that are to be shown, from a store that behaves as its keys say."""

from collections.abc import Generator
from pathlib import Path

import pytest
from odd_files import GOOD, OddFiles, odd_files

from ocrstream_local.processes import free_port
from ocrstream_recorder.pictures.source import ImageSource, NoPictureError
from ocrstream_recorder.settings import ServingSettings
from ocrstream_runtime.errors import FetchFailure
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.object_stores import AllowedStores, parse_stores
from ocrstream_runtime.settings import load_settings

SHOWN = "s3://bucket/shown"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Generator[OddFiles]:
    with odd_files() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{served.port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-secret")
        yield served


def source(folder: Path, *, fetch_timeout_s: float = 60) -> ImageSource:
    folders = AllowedFolders([folder], max_bytes=10)
    stores = AllowedStores(parse_stores(SHOWN), max_bytes=10, retries=2)
    return ImageSource(folders, stores, fetch_timeout_s=fetch_timeout_s)


def refusal(images: ImageSource, reference: str) -> NoPictureError:
    with pytest.raises(NoPictureError) as caught:
        images.read(reference)
    return caught.value


def test_files_and_objects_are_read(store: OddFiles, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"file")
    images = source(tmp_path)
    assert images.read((tmp_path / "a.png").as_uri()) == b"file"
    assert images.read(f"{SHOWN}/good.png") == GOOD


@pytest.mark.parametrize(
    ("name", "failure", "says"),
    [
        ("absent.png", FetchFailure.NOT_FOUND, "does not exist"),
        ("denied.png", FetchFailure.REFUSED, "check the service's credentials"),
        ("large.png", FetchFailure.TOO_LARGE, "OCRSTREAM_MAX_IMAGE_BYTES"),
        ("cut.png", FetchFailure.UNREACHABLE, "could not be read"),
    ],
)
def test_why_an_object_is_not_read(
    store: OddFiles, tmp_path: Path, name: str, failure: FetchFailure, says: str
) -> None:
    error = refusal(source(tmp_path), f"{SHOWN}/{name}")
    assert error.failure is failure
    assert f"{SHOWN}/{name}" in str(error)
    assert says in str(error)


@pytest.mark.parametrize(
    ("reference", "failure"),
    [
        ("s3://bucket/good.png", FetchFailure.REFUSED),
        ("s3://bucket/shown-not/good.png", FetchFailure.REFUSED),
        ("s3://bucket/shown/../good.png", FetchFailure.REFUSED),
        ("s3://other/shown/good.png", FetchFailure.REFUSED),
        ("S3://bucket/shown/good.png", FetchFailure.REFUSED),
        ("gs://bucket/shown/good.png", FetchFailure.REFUSED),
        ("https://bucket/shown/good.png", FetchFailure.ELSEWHERE),
        ("good.png", FetchFailure.ELSEWHERE),
    ],
)
def test_nobody_is_asked_for_what_is_not_shown(
    store: OddFiles, tmp_path: Path, reference: str, failure: FetchFailure
) -> None:
    assert refusal(source(tmp_path), reference).failure is failure
    assert store.requests == []


def test_what_may_pass_is_asked_for_again(store: OddFiles, tmp_path: Path) -> None:
    assert source(tmp_path).read(f"{SHOWN}/shaky.png") == GOOD
    assert len(store.requests) == 2


def test_what_takes_too_long_is_given_up(store: OddFiles, tmp_path: Path) -> None:
    images = source(tmp_path, fetch_timeout_s=0.5)
    error = refusal(images, f"{SHOWN}/slow.png")
    assert error.failure is FetchFailure.UNREACHABLE
    assert "0.5 s (OCRSTREAM_FETCH_TIMEOUT_S)" in str(error)
    assert images.read(f"{SHOWN}/good.png") == GOOD


def test_places_that_cannot_be_opened_end_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("OCRSTREAM_OBJECT_STORES", "scans")
    with pytest.raises(SystemExit):
        load_settings(ServingSettings)
    assert "'scans' is not a bucket and key" in capsys.readouterr().err


def test_a_store_that_is_away_may_come_back(
    store: OddFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    error = refusal(source(tmp_path), f"{SHOWN}/good.png")
    assert error.failure is FetchFailure.UNREACHABLE
    assert "could not be read" in str(error)
