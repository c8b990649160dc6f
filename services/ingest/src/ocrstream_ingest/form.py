"""Parses a multipart form as it arrives: writes files to the disk, keeps fields in memory."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ocrstream_ingest.file_names import find_file_name
from ocrstream_ingest.models import MAX_FILES
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.events import Reason, Refusal

FILES_FIELD = "files"

_MAX_FIELDS = 50
_MAX_FIELD_BYTES = 256 * 1024
_HEAD_BYTES = 1024


@dataclass(frozen=True)
class ReceivedFile:
    """A file of the form in a temporary folder; `head` is its first kilobyte, `sha256` in hex.

    Nothing is stored at `path` if the file is `refused`.
    """

    path: Path
    name: str | None
    sha256: str
    size: int
    head: bytes
    refused: Refusal | None = None


class FormParser:
    """Parses the body from chunks of any length; writes files to `folder`, and flushes them.

    It refuses a file that is too large, and goes on. Raises ProblemError (422) if the form is
    malformed or has too many parts.
    """

    def __init__(self, content_type: str, folder: Path, max_file_bytes: int) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise _malformed("the header Content-Type has no boundary")
        self.files: list[ReceivedFile] = []
        self.fields: dict[str, str] = {}
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._file: _FileWriter | None = None
        self._value = bytearray()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def feed(self, chunk: bytes) -> None:
        """Parses the next chunk of the body; blocks while the disk does. Raises OSError."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def finish(self) -> None:
        """Checks that the form is complete; call it after the last chunk."""
        if not self._ended:
            raise _malformed("it ends before its last boundary")

    def close(self) -> None:
        """Closes the file that an incomplete form leaves open."""
        if self._file is not None:
            self._file.close()

    def _on_part_begin(self) -> None:
        self._disposition = b""
        self._header_name = self._header_value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name")
        if name is None:
            raise _malformed("a part has no name")
        self._name = name.decode("utf-8", "replace")
        file_name = find_file_name(self._disposition)
        if self._name != FILES_FIELD:
            if len(self.fields) == _MAX_FIELDS:
                raise _malformed(f"it has more than {_MAX_FIELDS} fields")
            if self._name in self.fields:
                raise _malformed(f"it has the field {self._name!r} twice")
            self._value = bytearray()
            return
        if file_name is None:
            raise _malformed(f"the part {FILES_FIELD!r} has no file name, so it is not a file")
        if len(self.files) == MAX_FILES:
            raise _malformed(f"it has more than {MAX_FILES} files; send them in several requests")
        path = self._folder / str(len(self.files))
        self._file = _FileWriter(path, file_name or None, self._max_file_bytes)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _MAX_FIELD_BYTES:
            raise _malformed(f"the field {self._name!r} is longer than {_MAX_FIELD_BYTES:,} bytes")

    def _on_part_end(self) -> None:
        if self._file is not None:
            self.files.append(self._file.finish())
            self._file = None
            return
        try:
            self.fields[self._name] = self._value.decode()
        except UnicodeDecodeError as error:
            raise _malformed(f"the field {self._name!r} is not in UTF-8") from error

    def _on_end(self) -> None:
        self._ended = True


class _FileWriter:
    """Writes a file as it arrives."""

    def __init__(self, path: Path, name: str | None, max_bytes: int) -> None:
        self._path = path
        self._name = name
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""
        self._file: BinaryIO = path.open("xb", buffering=0)

    def write(self, chunk: memoryview) -> None:
        self._size += len(chunk)
        if len(self._head) < _HEAD_BYTES:
            self._head += chunk[: _HEAD_BYTES - len(self._head)]
        self._digest.update(chunk)
        if self._too_large:
            self._file.truncate(0)
            return
        rest = chunk
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> ReceivedFile:
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._digest.hexdigest()
        refused = None
        if self._too_large:
            error = (
                f"The file has {self._size:,} bytes; {self._max_bytes:,} are allowed"
                " (OCRSTREAM_MAX_UPLOAD_BYTES)"
            )
            refused = Refusal(reason=Reason.TOO_LARGE, error=error)
        return ReceivedFile(self._path, self._name, digest, self._size, self._head, refused)

    def close(self) -> None:
        self._file.close()

    @property
    def _too_large(self) -> bool:
        return self._size > self._max_bytes


def _malformed(reason: str) -> ProblemError:
    return ProblemError(422, "The form is malformed", f"The body is not a valid form: {reason}")
