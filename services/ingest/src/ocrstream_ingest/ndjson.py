"""Image references, one JSON object a line."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from ocrstream_ingest.models import REFERENCE_PATTERN, BatchDescription
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.batch_options import InvalidOption, check_options
from ocrstream_schemas.fields import PATH_MAX_LENGTH, Index, Path, SourceName

MEDIA_TYPE = "application/x-ndjson"

_LINES_AT_ONCE = 1000
_BYTES_AT_ONCE = 1 << 20
_MAX_LINE_BYTES = 256 * 1024


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    image_path: Annotated[
        str, msgspec.Meta(min_length=1, max_length=PATH_MAX_LENGTH, pattern=REFERENCE_PATTERN)
    ]
    index: Index | None = None
    public_path: Path | None = None
    source_name: SourceName | None = None
    options: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(_Line)


class Lines:
    """The lines of a body, counted from 1; the first may describe the batch."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._groups = _grouped(body)
        self._first: list[bytes] = []
        self._number = 1

    async def description(self) -> BatchDescription:
        """What the first line tells of the batch if it names no image, else nothing.

        Raises Problem (422) if it is neither, or if there is none.
        """
        self._first = await anext(self._groups, [])
        if not self._first:
            raise Problem(422, "No images", "The body holds no line; send one JSON object a line")
        try:
            told = msgspec.json.decode(self._first[0])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _bad_line(1, str(error)) from error
        if not isinstance(told, dict) or "image_path" in told:
            return BatchDescription()
        self._first, self._number = self._first[1:], 2
        try:
            return BatchDescription.model_validate(told)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "/".join(str(part) for part in first["loc"])
            raise _bad_line(1, f"describes the batch: {where}: {first['msg']}") from error

    async def records(
        self, submission: Submission, *, places: bool
    ) -> AsyncGenerator[list[Record]]:
        """The images, some at a time; with `places` one without an index has its place.

        Raises Problem (422) for the first line that is no image, after all before it were given.
        """
        place = 0
        group: list[bytes] | None = self._first
        while group is not None:
            records: list[Record] = []
            try:
                for line in group:
                    number, self._number = self._number, self._number + 1
                    if line and not line.isspace():
                        seat = place if places else None
                        records.append(_record(submission, line, number, seat))
                        place += 1
            except Problem:
                if records:
                    yield records
                raise
            if records:
                yield records
            group = await anext(self._groups, None)
        if not place:
            raise Problem(422, "No images", "The body names no image; send one JSON object a line")


def _record(submission: Submission, line: bytes, number: int, place: int | None) -> Record:
    try:
        told = _DECODER.decode(line)
        if told.options is not None:
            check_options(told.options)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOption) as error:
        raise _bad_line(number, str(error)) from error
    return submission.image(
        told.image_path,
        place if told.index is None else told.index,
        pointer=lambda: f"line {number}",
        public_path=told.public_path,
        source_name=told.source_name,
        options=told.options,
    )


async def _grouped(body: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes]]:
    waiting: list[bytes] = []
    size, number = 0, 0
    rest = b""
    async for piece in body:
        first, *others = piece.split(b"\n")
        rest += first
        if others:
            lines = [rest, *others[:-1]]
            rest = others[-1]
            number += len(lines)
            waiting += lines
            size += len(piece)
        if len(rest) > _MAX_LINE_BYTES:
            if waiting:
                yield waiting
            raise _bad_line(number + 1, f"is longer than {_MAX_LINE_BYTES:,} bytes")
        if len(waiting) >= _LINES_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield waiting
            waiting, size = [], 0
    if rest:
        waiting.append(rest)
    if waiting:
        yield waiting


def _bad_line(number: int, why: str) -> Problem:
    return Problem(422, "A line breaks its schema", f"line {number}: {why}", line=number)
