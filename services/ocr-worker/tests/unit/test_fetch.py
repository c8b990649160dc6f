"""References: what is read, what is refused, and that the reason says what to do."""

import errno
import os
from pathlib import Path

import pytest

from ocrstream_schemas.events import Reason
from ocrstream_worker.fetch import Fetcher, FetchSettings
from ocrstream_worker.image_errors import ImageRejected, ImageUnreachable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"pixels")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


@pytest.fixture
def fetcher(root: Path) -> Fetcher:
    return Fetcher(FetchSettings(roots=(root, root.parent / "not-there-yet"), max_bytes=10))


def rejection(fetcher: Fetcher, reference: str) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        fetcher.read(reference)
    return caught.value


async def test_reads_a_file_beneath_a_root(fetcher: Fetcher, root: Path) -> None:
    assert await fetcher.fetch((root / "a.png").as_uri()) == b"pixels"
    assert await fetcher.fetch(f"file://localhost{root}/a.png") == b"pixels"


def test_reads_names_that_need_escapes(fetcher: Fetcher, root: Path) -> None:
    for name in ("ä #1?.png", "100%.png", "new\nline"):
        (root / name).write_bytes(b"x")
        assert fetcher.read((root / name).as_uri()) == b"x"


def test_a_root_may_come_into_being_later(fetcher: Fetcher, root: Path) -> None:
    later = root.parent / "not-there-yet"
    later.mkdir()
    (later / "b.png").write_bytes(b"later")
    assert fetcher.read((later / "b.png").as_uri()) == b"later"


def test_what_is_not_there_is_not_found(fetcher: Fetcher, root: Path) -> None:
    for path in (root / "b.png", root / "a.png" / "c.png", root / ("x" * 300)):
        assert rejection(fetcher, path.as_uri()).reason is Reason.NOT_FOUND


def test_outside_the_roots_is_refused_and_says_how_to_allow_it(
    fetcher: Fetcher, root: Path
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
        error = rejection(fetcher, reference)
        assert error.reason is Reason.REFUSED
        assert "OCRSTREAM_IMAGE_ROOTS" in str(error)


def test_a_link_within_the_roots_is_followed(fetcher: Fetcher, root: Path) -> None:
    (root / "link.png").symlink_to(root / "a.png")
    assert fetcher.read((root / "link.png").as_uri()) == b"pixels"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("https://example.org/a.png", "https:// references are not supported"),
        ("s3://bucket/a.png", "s3:// references are not supported"),
        ("/folder/a.png", "only URLs are supported"),
        ("a.png", "only URLs are supported"),
        ("", "only URLs are supported"),
        ("file://folder/a.png", "three slashes"),
        ("file:a.png", "no absolute path"),
        ("file:///a%00.png", "no absolute path"),
        ("file:///a.png?x=1", "%3F"),
        ("file:///a#1.png", "%23"),
        ("file://[bad", "no URL"),
    ],
)
def test_other_references_are_refused(fetcher: Fetcher, reference: str, says: str) -> None:
    error = rejection(fetcher, reference)
    assert error.reason is Reason.REFUSED
    assert says in str(error)


def test_what_is_no_regular_file_is_refused_without_waiting(fetcher: Fetcher, root: Path) -> None:
    os.mkfifo(root / "pipe")
    for path in (root, root / "pipe"):
        assert rejection(fetcher, path.as_uri()).reason is Reason.REFUSED


def test_links_in_a_circle_are_refused(fetcher: Fetcher, root: Path) -> None:
    (root / "circle").symlink_to(root / "circle")
    assert rejection(fetcher, (root / "circle").as_uri()).reason is Reason.REFUSED


def test_size_limit(fetcher: Fetcher, root: Path) -> None:
    (root / "ten").write_bytes(b"x" * 10)
    (root / "eleven").write_bytes(b"x" * 11)
    assert len(fetcher.read((root / "ten").as_uri())) == 10
    error = rejection(fetcher, (root / "eleven").as_uri())
    assert error.reason is Reason.TOO_LARGE
    assert "OCRSTREAM_MAX_IMAGE_BYTES" in str(error)


def test_a_failing_disk_is_worth_another_attempt(
    fetcher: Fetcher, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, flags: int) -> int:
        raise OSError(errno.EIO, "Input/output error", path, None, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", broken)
        with pytest.raises(ImageUnreachable) as caught:
            fetcher.read((root / "a.png").as_uri())
    assert "Input/output error" in str(caught.value)


def test_the_error_about_an_odd_name_can_be_sent(fetcher: Fetcher, root: Path) -> None:
    error = rejection(fetcher, f"file://{root}/%ff%fe.png")
    assert error.reason is Reason.NOT_FOUND
    str(error).encode("utf-8")
