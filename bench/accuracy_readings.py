"""Readings that are kept, so that a bench that was broken off goes on where it was."""

import hashlib
import re
from collections.abc import Sequence

import msgspec
from accuracy_pages import FOLDER, PageFile
from accuracy_readers import Reader, Reading


class KnownReadings:
    """What one reader, in one version, made of files, by their content."""

    def __init__(self, name: str, reader: Reader) -> None:
        version = hashlib.sha256(reader.version.encode()).hexdigest()[:12]
        self._folder = FOLDER / "readings" / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{version}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._reader = reader

    def of(self, files: Sequence[PageFile], word_files: int) -> list[Reading]:
        """A reading of each, in order; of the first `word_files` by words as well. What is not
        known is read, and kept.
        """
        found = [self._known(file, by_words=n < word_files) for n, file in enumerate(files)]
        missing = [file for file, known in zip(files, found, strict=True) if known is None]
        by_words = sum(known is None for known in found[:word_files])
        fresh = iter(self._reader.read(missing, by_words) if missing else ())
        readings: list[Reading] = []
        for file, known in zip(files, found, strict=True):
            reading = known or next(fresh)
            if known is None:
                (self._folder / f"{file.digest}.json").write_bytes(msgspec.json.encode(reading))
            readings.append(reading)
        return readings

    def _known(self, file: PageFile, *, by_words: bool) -> Reading | None:
        path = self._folder / f"{file.digest}.json"
        if not path.is_file():
            return None
        reading = msgspec.json.decode(path.read_bytes(), type=Reading)
        # One without words will do for a reader that never gives any.
        return None if by_words and self._reader.words and reading.words is None else reading
