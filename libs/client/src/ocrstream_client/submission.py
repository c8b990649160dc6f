"""Resolves the names that a user submits to the parts of a batch."""

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ocrstream_client.errors import NotSubmittableError
from ocrstream_client.file_search import MAX_FILES, FileLeftOut, LocalFile, find_files

Source = str | PathLike[str]

_FILES_PER_REQUEST = 50
_BYTES_PER_REQUEST = 64 * 1024 * 1024
_REFERENCES_PER_REQUEST = 1000


@dataclass(frozen=True)
class Files:
    """Files to upload."""

    files: list[LocalFile]


@dataclass(frozen=True)
class Reference:
    """A reference to a stored image; `source_name` is that of the local file that it stands for."""

    image_path: str
    source_name: str | None = None


@dataclass(frozen=True)
class References:
    """References to stored images."""

    references: list[Reference]


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
    `file://` references with `by_reference`; its `source_name` is the path relative to that folder
    or to the glob's first folder, or the name of a file that is named itself. The client sends a
    URL unchanged. Ingest lists a URL that ends with `/` or contains `*`, `?` or `[`, which must be
    the only name. Raises NotSubmittableError.
    """
    sources = [names] if isinstance(names, str | PathLike) else list(names)
    paths = [fspath(source) for source in sources]
    prefixes = [name for name in paths if _is_prefix(name)]
    if prefixes and len(paths) > 1:
        raise NotSubmittableError(
            f"Ingest lists {prefixes[0]}, so the client cannot count its images together with"
            " others: submit it alone"
        )
    if prefixes:
        return Submission(_prefix(prefixes[0]), None)
    images: dict[str, LocalFile | Reference] = {}
    left_out: list[Path] = []
    for source in sources:
        if len(images) > MAX_FILES:
            raise NotSubmittableError(f"More than {MAX_FILES:,} images; submit them in parts")
        for image in _images(source, by_reference, left_out.append):
            path = image.image_path if isinstance(image, Reference) else fspath(image)
            images.setdefault(path, image)
    if not images:
        raise NotSubmittableError("There is nothing to submit")
    return Submission(list(_parts(images.values())), len(images), left_out)


def with_lane(options: Mapping[str, Any] | None, lane: str | None) -> Mapping[str, Any] | None:
    """Returns the options with the lane. Raises NotSubmittableError if they name another one."""
    if lane is None:
        return options
    if options and options.get("lane", lane) != lane:
        raise NotSubmittableError(f"The options name another lane than {lane}: name only one")
    return {**(options or {}), "lane": lane}


def _images(
    source: Source, by_reference: bool, on_left_out: FileLeftOut
) -> Iterable[LocalFile | Reference]:
    name = fspath(source)
    if "://" in name:
        return [Reference(name)]
    if isinstance(source, LocalFile):
        if not source.path.is_file():
            raise NotSubmittableError(f"There is no file {name}")
        files = [source]
    else:
        files = find_files([name], documents=not by_reference, on_left_out=on_left_out)
    if not by_reference:
        return files
    return [Reference(file.path.resolve().as_uri(), file.source_name) for file in files]


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


def _parts(images: Iterable[LocalFile | Reference]) -> Iterator[Files | References]:
    for is_reference, run in groupby(images, lambda image: isinstance(image, Reference)):
        if is_reference:
            references = iter([image for image in run if isinstance(image, Reference)])
            while group := list(islice(references, _REFERENCES_PER_REQUEST)):
                yield References(group)
        else:
            for files in _group_files([image for image in run if isinstance(image, LocalFile)]):
                yield Files(files)


def _group_files(files: Iterable[LocalFile]) -> Iterator[list[LocalFile]]:
    group: list[LocalFile] = []
    size = 0
    for file in files:
        file_size = _size(file.path)
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
