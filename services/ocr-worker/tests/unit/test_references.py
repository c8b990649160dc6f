"""All kinds of references: one contract, whatever stands behind them."""

import errno
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from odd_files import GOOD, LARGE_BYTES, odd_files
from starved import compute_in_turns, lift_wall_limit

from ocrstream_runtime.guarded_http import GuardedBackend, parse_networks
from ocrstream_runtime.object_stores import parse_stores
from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.references.files import FileFetcher
from ocrstream_worker.references.https import HttpsFetcher, parse_hosts
from ocrstream_worker.references.port import Fetcher, FetcherRegistry
from ocrstream_worker.references.stores import ObjectStoreFetcher

MAX_BYTES = 10


@dataclass(frozen=True)
class Source:
    """A fetcher, and where the files lie that it is to fetch."""

    fetcher: Fetcher
    base: str
    setting: str


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Source]:
    for name in ("good.png", "slow.png", "cut.png", "shaky.png"):
        (tmp_path / name).write_bytes(GOOD)
    (tmp_path / "large.png").write_bytes(b"x" * LARGE_BYTES)
    (tmp_path / "denied.png").mkdir()
    failed, released, os_open = list[str](), threading.Event(), os.open

    def odd_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        name = Path(path).name
        if name == "slow.png":
            released.wait()
        if name == "cut.png" or (name == "shaky.png" and name not in failed):
            failed.append(name)
            raise OSError(errno.EIO, "Input/output error", str(path))
        return os_open(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", odd_open)
    with ThreadPoolExecutor(2) as threads:
        yield Source(
            FileFetcher([tmp_path], threads, max_bytes=MAX_BYTES),
            tmp_path.as_uri(),
            "OCRSTREAM_IMAGE_ROOTS",
        )
        released.set()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Generator[Source]:
    with odd_files() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{served.port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-secret")
        allowed = parse_stores("s3://bucket/scans")
        yield Source(
            ObjectStoreFetcher(allowed, max_bytes=MAX_BYTES),
            "s3://bucket/scans",
            "OCRSTREAM_OBJECT_STORES",
        )


@pytest.fixture
async def https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncGenerator[Source]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with odd_files(context) as served:
        host = f"127.0.0.1:{served.port}"
        backend = GuardedBackend(parse_networks("127.0.0.1/32"))
        https = HttpsFetcher(parse_hosts(host), backend, max_bytes=MAX_BYTES)
        async with aclosing(https) as fetcher:
            yield Source(fetcher, f"https://{host}", "OCRSTREAM_HTTPS_HOSTS")


@pytest.fixture(params=["files", "s3", "https"])
def source(request: pytest.FixtureRequest) -> Source:
    return request.getfixturevalue(request.param)


async def refusal(source: Source, name: str) -> PermanentImageError:
    with pytest.raises(PermanentImageError) as caught:
        await source.fetcher.fetch(f"{source.base}/{name}")
    return caught.value


async def test_what_is_there_is_read(source: Source) -> None:
    assert await source.fetcher.fetch(f"{source.base}/good.png") == GOOD


async def test_what_is_missing_is_not_found(source: Source) -> None:
    error = await refusal(source, "absent.png")
    assert error.reason is Reason.NOT_FOUND
    assert "absent.png does not exist" in str(error)


async def test_what_is_denied_is_refused(source: Source) -> None:
    assert (await refusal(source, "denied.png")).reason is Reason.REFUSED


async def test_what_is_said_to_be_too_large_is_not_read(source: Source) -> None:
    error = await refusal(source, "large.png")
    assert error.reason is Reason.TOO_LARGE
    assert f"{LARGE_BYTES:,} bytes" in str(error)
    assert "OCRSTREAM_MAX_IMAGE_BYTES" in str(error)


async def test_what_takes_too_long_is_given_up(source: Source) -> None:
    scheme = source.base.partition(":")[0]
    references = FetcherRegistry({scheme: source.fetcher}, timeout_s=0.5)
    with pytest.raises(TransientImageError, match="OCRSTREAM_FETCH_TIMEOUT_S") as caught:
        await references.fetch(f"{source.base}/slow.png")
    assert caught.value.reason is Reason.TIMEOUT
    # Whoever waits holds up nobody.
    assert await references.fetch(f"{source.base}/good.png") == GOOD


class BusyFetcher:
    """A fetcher during which this process never waits for the store."""

    async def fetch(self, reference: str) -> bytes:
        await compute_in_turns(0.4)
        return GOOD


async def test_time_in_which_the_worker_does_not_wait_for_the_store_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lift_wall_limit(monkeypatch)
    assert await FetcherRegistry({"s3": BusyFetcher()}, timeout_s=0.1).fetch("s3://b/k") == GOOD


async def test_what_breaks_off_is_worth_another_attempt(source: Source) -> None:
    with pytest.raises(TransientImageError, match=r"cut\.png could not be read"):
        await source.fetcher.fetch(f"{source.base}/cut.png")


async def test_what_fails_once_is_read_the_next_time(source: Source) -> None:
    with pytest.raises(TransientImageError, match=r"shaky\.png could not be read"):
        await source.fetcher.fetch(f"{source.base}/shaky.png")
    assert await source.fetcher.fetch(f"{source.base}/shaky.png") == GOOD


async def test_what_is_not_allowed_is_refused_and_says_how_to_allow_it(source: Source) -> None:
    elsewhere = {
        "file": "file:///etc/passwd",
        "s3": "s3://other/scans/good.png",
        "https": "https://other.example/good.png",
    }[source.base.partition(":")[0]]
    with pytest.raises(PermanentImageError, match=source.setting) as caught:
        await source.fetcher.fetch(elsewhere)
    assert caught.value.reason is Reason.REFUSED


async def test_no_more_than_allowed_is_read_of_what_does_not_say_its_size(https: Source) -> None:
    assert (await refusal(https, "endless.png")).reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("/folder/a.png", "is no URL"),
        ("a.png", "is no URL"),
        ("", "is no URL"),
        ("http://user:secret@host/a.png", "begins with http:"),
        ("data:image/png;base64,AAAA", "begins with data:"),
    ],
)
async def test_other_references_are_refused(files: Source, reference: str, says: str) -> None:
    with pytest.raises(PermanentImageError, match=says) as caught:
        await FetcherRegistry({"file": files.fetcher}, timeout_s=60).fetch(reference)
    assert "supported are file://" in str(caught.value)
    assert "secret" not in str(caught.value)
