"""`file://` references: what is read, what is refused, and that the reason says what to do."""

import errno
import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocrstream_schemas.events import Reason
from ocrstream_worker.errors import PermanentImageError, TransientImageError
from ocrstream_worker.references.files import FileFetcher


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"pixels")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


@pytest.fixture
def fetcher(root: Path) -> Generator[FileFetcher]:
    with ThreadPoolExecutor(1) as threads:
        yield FileFetcher((root, root.parent / "not-there-yet"), threads, max_bytes=10)


async def rejection(fetcher: FileFetcher, reference: str) -> PermanentImageError:
    with pytest.raises(PermanentImageError) as caught:
        await fetcher.fetch(reference)
    return caught.value


async def test_reads_a_file_beneath_a_root(fetcher: FileFetcher, root: Path) -> None:
    assert await fetcher.fetch((root / "a.png").as_uri()) == b"pixels"
    assert await fetcher.fetch(f"file://localhost{root}/a.png") == b"pixels"


async def test_reads_names_that_need_escapes(fetcher: FileFetcher, root: Path) -> None:
    for name in ("ä #1?.png", "100%.png", "new\nline"):
        (root / name).write_bytes(b"x")
        assert await fetcher.fetch((root / name).as_uri()) == b"x"


async def test_a_root_may_come_into_being_later(fetcher: FileFetcher, root: Path) -> None:
    later = root.parent / "not-there-yet"
    later.mkdir()
    (later / "b.png").write_bytes(b"later")
    assert await fetcher.fetch((later / "b.png").as_uri()) == b"later"


async def test_what_is_not_there_is_not_found(fetcher: FileFetcher, root: Path) -> None:
    for path in (root / "b.png", root / "a.png" / "c.png", root / ("x" * 300)):
        assert (await rejection(fetcher, path.as_uri())).reason is Reason.NOT_FOUND


async def test_outside_the_roots_is_refused_and_says_how_to_allow_it(
    fetcher: FileFetcher, root: Path
) -> None:
    (root / "link.png").symlink_to(root.parent / "secret.png")
    outside = [
        (root.parent / "secret.png").as_uri(),
        (root.parent / "absent.png").as_uri(),
        f"file://{root}/../secret.png",
        f"file://{root}/%2e%2e/secret.png",
        (root / "link.png").as_uri(),
        f"file://{root}-sibling/a.png",
        "file:///etc/passwd",
    ]
    for reference in outside:
        error = await rejection(fetcher, reference)
        assert error.reason is Reason.REFUSED
        assert "OCRSTREAM_IMAGE_ROOTS" in str(error)


async def test_a_link_within_the_roots_is_followed(fetcher: FileFetcher, root: Path) -> None:
    (root / "link.png").symlink_to(root / "a.png")
    assert await fetcher.fetch((root / "link.png").as_uri()) == b"pixels"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("file://folder/a.png", "three slashes"),
        ("file:a.png", "no absolute path"),
        ("file:///a%00.png", "no absolute path"),
        ("file:///a.png?x=1", "%3F"),
        ("file:///a#1.png", "%23"),
        ("file://[bad", "not a URL"),
    ],
)
async def test_other_references_are_refused(
    fetcher: FileFetcher, reference: str, says: str
) -> None:
    error = await rejection(fetcher, reference)
    assert error.reason is Reason.REFUSED
    assert says in str(error)


async def test_what_is_no_regular_file_is_refused_without_waiting(
    fetcher: FileFetcher, root: Path
) -> None:
    os.mkfifo(root / "pipe")
    for path in (root, root / "pipe"):
        assert (await rejection(fetcher, path.as_uri())).reason is Reason.REFUSED


async def test_links_in_a_circle_are_refused(fetcher: FileFetcher, root: Path) -> None:
    (root / "circle").symlink_to(root / "circle")
    assert (await rejection(fetcher, (root / "circle").as_uri())).reason is Reason.REFUSED


async def test_size_limit(fetcher: FileFetcher, root: Path) -> None:
    (root / "ten").write_bytes(b"x" * 10)
    (root / "eleven").write_bytes(b"x" * 11)
    assert len(await fetcher.fetch((root / "ten").as_uri())) == 10
    error = await rejection(fetcher, (root / "eleven").as_uri())
    assert error.reason is Reason.TOO_LARGE
    assert "OCRSTREAM_MAX_IMAGE_BYTES" in str(error)


async def test_a_failing_disk_is_worth_another_attempt(
    fetcher: FileFetcher, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, flags: int) -> int:
        raise OSError(errno.EIO, "Input/output error", path, None, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", broken)
        with pytest.raises(TransientImageError) as caught:
            await fetcher.fetch((root / "a.png").as_uri())
    assert "Input/output error" in str(caught.value)


async def test_the_error_about_an_odd_name_can_be_sent(fetcher: FileFetcher, root: Path) -> None:
    error = await rejection(fetcher, f"file://{root}/%ff%fe.png")
    assert error.reason is Reason.NOT_FOUND
    str(error).encode("utf-8")
