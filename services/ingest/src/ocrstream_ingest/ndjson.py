"""Parses NDJSON bodies: one image reference per line."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import msgspec
from pydantic import ValidationError

from ocrstream_ingest.models import REFERENCE_PATTERN, BatchDescription
from ocrstream_ingest.publisher import Record
from ocrstream_ingest.submission import Submission
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.batch_options import check_options
from ocrstream_schemas.errors import InvalidOptionError
from ocrstream_schemas.events import Refusal
from ocrstream_schemas.fields import PATH_MAX_LENGTH, Index, Path, SourceName

MEDIA_TYPE = "application/x-ndjson"

_GROUP_LINES = 1000
_GROUP_BYTES = 1 << 20
_MAX_LINE_BYTES = 256 * 1024


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    image_path: Annotated[
        str, msgspec.Meta(min_length=1, max_length=PATH_MAX_LENGTH, pattern=REFERENCE_PATTERN)
    ]
    index: Index | None = None
    public_path: Path | None = None
    source_name: SourceName | None = None
    options: dict[str, Any] | None = None
    refused: Refusal | None = None


_DECODER = msgspec.json.Decoder(_Line)


class BatchLines:
    """The lines of a body, numbered from 1; the first line may describe the batch."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._groups = _split_lines(chunks)
        self._first: list[bytes] = []
        self._number = 1

    async def read_description(self) -> BatchDescription:
        """Returns the first line as a description, or an empty one if the line is an image.

        Raises ProblemError (422) if the line is neither, or if the body has no line.
        """
        self._first = await anext(self._groups, [])
        if not self._first:
            raise ProblemError(
                422, "No images", "The body has no line; send one JSON object per line"
            )
        try:
            line = msgspec.json.decode(self._first[0])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid_line(1, str(error)) from error
        if not isinstance(line, dict) or "image_path" in line:
            return BatchDescription()
        self._first, self._number = self._first[1:], 2
        try:
            return BatchDescription.model_validate(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = "/".join(str(part) for part in first["loc"])
            raise _invalid_line(1, f"describes the batch: {field}: {first['msg']}") from error

    async def read_records(
        self, submission: Submission, *, number_images: bool
    ) -> AsyncGenerator[list[Record]]:
        """Yields a record for each image, in groups.

        With `number_images`, an image without an index gets its position in the body. Raises
        ProblemError (422) for the first invalid line, after it has yielded all images before that
        line.
        """
        position = 0
        group: list[bytes] | None = self._first
        while group is not None:
            records: list[Record] = []
            try:
                for line in group:
                    number, self._number = self._number, self._number + 1
                    if line and not line.isspace():
                        default_index = position if number_images else None
                        records.append(_record(submission, line, number, default_index))
                        position += 1
            except ProblemError:
                if records:
                    yield records
                raise
            if records:
                yield records
            group = await anext(self._groups, None)
        if not position:
            raise ProblemError(
                422, "No images", "The body has no image; send one JSON object per line"
            )


def _record(submission: Submission, line: bytes, number: int, default_index: int | None) -> Record:
    try:
        image = _DECODER.decode(line)
        if image.options is not None:
            check_options(image.options)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOptionError) as error:
        raise _invalid_line(number, str(error)) from error
    return submission.image_record(
        image.image_path,
        default_index if image.index is None else image.index,
        pointer=lambda: f"line {number}",
        public_path=image.public_path,
        source_name=image.source_name,
        options=image.options,
        refused=image.refused,
    )


async def _split_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes]]:
    """Yields complete lines in groups. Raises ProblemError (422) if a line is too long."""
    group: list[bytes] = []
    size, number = 0, 0
    partial = b""
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        partial += first
        if others:
            lines = [partial, *others[:-1]]
            partial = others[-1]
            number += len(lines)
            group += lines
            size += len(chunk)
        if len(partial) > _MAX_LINE_BYTES:
            if group:
                yield group
            raise _invalid_line(number + 1, f"is longer than {_MAX_LINE_BYTES:,} bytes")
        if len(group) >= _GROUP_LINES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if partial:
        group.append(partial)
    if group:
        yield group


def _invalid_line(number: int, why: str) -> ProblemError:
    return ProblemError(422, "A line breaks its schema", f"line {number}: {why}", line=number)
