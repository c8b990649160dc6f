"""From what the user names to the parts that a batch is submitted in."""

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from os import PathLike, fspath
from pathlib import Path

from ocrstream_client.errors import NotSubmittable
from ocrstream_client.walk import MAX_FILES, find_files

Named = str | PathLike[str]

_FILES_AT_ONCE = 50
_BYTES_AT_ONCE = 64 * 1024 * 1024
_REFERENCES_AT_ONCE = 1000


@dataclass(frozen=True)
class Files:
    """Files to be uploaded; the first is the `first_index`th of all files, from 0, and so on."""

    first_index: int
    files: list[Path]


@dataclass(frozen=True)
class References:
    """Images that are somewhere already; counted with the files."""

    first_index: int
    references: list[str]


@dataclass(frozen=True)
class Prefix:
    """What ingest finds beneath a prefix, like `s3://bucket/scans/`, by a pattern for names."""

    prefix: str
    pattern: str


@dataclass(frozen=True)
class Submission:
    """What a batch is made of, in parts that are one request each; `total` images, if known."""

    parts: list[Files | References] | Prefix
    total: int | None


def resolve(names: Named | Iterable[Named], *, by_reference: bool = False) -> Submission:
    """What the names stand for.

    A file, a folder (with all images in it) and a glob are uploaded, or sent as `file://` with
    `by_reference`. A URL is sent as it is; one that ends with `/` or holds `*`, `?` or `[` is
    listed by ingest and must be alone. Raises NotSubmittable.
    """
    told = [fspath(name) for name in ([names] if isinstance(names, str | PathLike) else names)]
    prefixes = [name for name in told if _is_prefix(name)]
    if prefixes and len(told) > 1:
        raise NotSubmittable(
            f"{prefixes[0]} is listed by the service, so its images cannot be counted together"
            " with others: submit it by itself"
        )
    if prefixes:
        return Submission(_prefix(prefixes[0]), None)
    images: list[Path | str] = []
    for name in told:
        if len(images) > MAX_FILES:
            raise NotSubmittable(f"More than {MAX_FILES:,} images; submit them in parts")
        if "://" in name:
            images.append(name)
        elif by_reference:
            images += [file.resolve().as_uri() for file in find_files([name])]
        else:
            images += find_files([name], documents=True)
    images = list(dict.fromkeys(images))
    if not images:
        raise NotSubmittable("There is nothing to submit")
    return Submission(list(_parts(images)), len(images))


def _is_prefix(name: str) -> bool:
    return "://" in name and (name.endswith("/") or glob.has_magic(name))


def _prefix(name: str) -> Prefix:
    scheme, _, rest = name.partition("://")
    plain: list[str] = []
    parts = rest.split("/")
    while parts and not glob.has_magic(parts[0]) and len(parts) > 1:
        plain.append(parts.pop(0))
    if not plain:
        raise NotSubmittable(f"{name}: a pattern may stand for names, not for the bucket")
    return Prefix(f"{scheme}://{'/'.join(plain)}/", "/".join(parts) or "*")


def _parts(images: list[Path | str]) -> Iterator[Files | References]:
    index = 0
    for kind, run in groupby(images, lambda image: isinstance(image, str)):
        if kind:
            references = iter([image for image in run if isinstance(image, str)])
            while some := list(islice(references, _REFERENCES_AT_ONCE)):
                yield References(index, some)
                index += len(some)
        else:
            for files in _groups([image for image in run if isinstance(image, Path)]):
                yield Files(index, files)
                index += len(files)


def _groups(files: Iterable[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size = 0
    for file in files:
        file_size = file.stat().st_size
        if group and (len(group) == _FILES_AT_ONCE or size + file_size > _BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(file)
        size += file_size
    if group:
        yield group
