"""Resolves the names that a user submits to the parts of a batch."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from os import PathLike, fspath
from pathlib import Path

from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.file_search import MAX_FILES, find_files

Source = str | PathLike[str]

_FILES_PER_REQUEST = 50
_BYTES_PER_REQUEST = 64 * 1024 * 1024
_REFERENCES_PER_REQUEST = 1000


@dataclass(frozen=True)
class Files:
    """Files to upload."""

    files: list[Path]


@dataclass(frozen=True)
class References:
    """References to stored images."""

    references: list[str]


@dataclass(frozen=True)
class Prefix:
    """A prefix that ingest lists, like `s3://bucket/scans/`, and a pattern for the names."""

    prefix: str
    pattern: str


@dataclass(frozen=True)
class Submission:
    """The parts of a batch, each for one request, and the number of names, if it is known.

    `left_out` are files of folders and globs that do not have the name of an image.
    """

    parts: list[Files | References] | Prefix
    total: int | None
    left_out: Sequence[Path] = ()


def resolve(names: Source | Iterable[Source], *, by_reference: bool = False) -> Submission:
    """Resolves names to images.

    The client uploads a file, the images in a folder and the matches of a glob, or sends their
    `file://` references with `by_reference`. It sends a URL unchanged. Ingest lists a URL that ends
    with `/` or contains `*`, `?` or `[`, which must be the only name. Raises NotSubmittableError.
    """
    paths = [fspath(name) for name in ([names] if isinstance(names, str | PathLike) else names)]
    prefixes = [name for name in paths if _is_prefix(name)]
    if prefixes and len(paths) > 1:
        raise NotSubmittableError(
            f"Ingest lists {prefixes[0]}, so the client cannot count its images together with"
            " others: submit it alone"
        )
    if prefixes:
        return Submission(_prefix(prefixes[0]), None)
    images: list[Path | str] = []
    left_out: list[Path] = []
    for name in paths:
        if len(images) > MAX_FILES:
            raise NotSubmittableError(f"More than {MAX_FILES:,} images; submit them in parts")
        if "://" in name:
            images.append(name)
        elif by_reference:
            found = find_files([name], on_left_out=left_out.append)
            images += [file.resolve().as_uri() for file in found]
        else:
            images += find_files([name], documents=True, on_left_out=left_out.append)
    images = list(dict.fromkeys(images))
    if not images:
        raise NotSubmittableError("There is nothing to submit")
    return Submission(list(_parts(images)), len(images), left_out)


def _is_prefix(name: str) -> bool:
    return "://" in name and (name.endswith("/") or glob.has_magic(name))


def _prefix(name: str) -> Prefix:
    scheme, _, rest = name.partition("://")
    plain: list[str] = []
    parts = rest.split("/")
    while parts and not glob.has_magic(parts[0]) and len(parts) > 1:
        plain.append(parts.pop(0))
    if not plain:
        raise NotSubmittableError(f"{name}: a pattern cannot match the bucket")
    return Prefix(f"{scheme}://{'/'.join(plain)}/", "/".join(parts) or "*")


def _parts(images: list[Path | str]) -> Iterator[Files | References]:
    for is_reference, run in groupby(images, lambda image: isinstance(image, str)):
        if is_reference:
            references = iter([image for image in run if isinstance(image, str)])
            while group := list(islice(references, _REFERENCES_PER_REQUEST)):
                yield References(group)
        else:
            for files in _group_files([image for image in run if isinstance(image, Path)]):
                yield Files(files)


def _group_files(files: Iterable[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size = 0
    for file in files:
        file_size = _size(file)
        if group and (len(group) == _FILES_PER_REQUEST or size + file_size > _BYTES_PER_REQUEST):
            yield group
            group, size = [], 0
        group.append(file)
        size += file_size
    if group:
        yield group


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # the upload reports it
