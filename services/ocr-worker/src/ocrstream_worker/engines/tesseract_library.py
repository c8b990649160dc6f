"""Tesseract's C interface (`tesseract/capi.h` of version 5), as far as it is needed here."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ocrstream_worker.engines.errors import EngineUnavailableError, ModelsMissingError
from ocrstream_worker.engines.port import TURNS, RgbImage, Turn

_NAMES = ("libtesseract.so.5", "libtesseract.5.dylib")
_LEGACY_ONLY, _LSTM_ONLY = 0, 1
_ORIENTATION_MODEL = "osd"
Layout = Literal["automatic", "column", "line"]
"""What it takes a page for. None finds out how the page is turned."""
_MODES: dict[Layout, int] = {"automatic": 3, "column": 4, "line": 7}
_text, _number, _pointer = ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p
_number_out = ctypes.POINTER(ctypes.c_int)
_float_out = ctypes.POINTER(ctypes.c_float)
_text_out = ctypes.POINTER(ctypes.c_char_p)
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TessVersion": (_text, ()),
    "TessBaseAPICreate": (_pointer, ()),
    "TessBaseAPISetVariable": (_number, (_pointer, _text, _text)),
    "TessBaseAPIInit2": (_number, (_pointer, _text, _text, _number)),
    "TessBaseAPIGetDatapath": (_text, (_pointer,)),
    "TessBaseAPISetPageSegMode": (None, (_pointer, _number)),
    "TessBaseAPISetImage": (None, (_pointer, _pointer, *(_number,) * 4)),
    "TessBaseAPIDetectOrientationScript": (
        _number,
        (_pointer, _number_out, _float_out, _text_out, _float_out),
    ),
    "TessBaseAPIRecognize": (_number, (_pointer, _pointer)),
    # Not as text: what it returns must be given back.
    "TessBaseAPIGetTsvText": (_pointer, (_pointer, _number)),
    "TessDeleteText": (None, (_pointer,)),
    "TessBaseAPIClear": (None, (_pointer,)),
}


class TesseractLibrary:
    """One reader in this process, for as long as the process lives.

    Raises EngineUnavailableError if the library or one of the models is not installed.
    """

    def __init__(self, models: Sequence[str], threads: int) -> None:
        # Its loops ask for four threads whatever OMP_NUM_THREADS is; this one caps them, if it is
        # there before the library is loaded.
        os.environ["OMP_THREAD_LIMIT"] = str(threads)
        self._library: Any = _load()
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._reader, folder, failed = self._start("+".join(models), _LSTM_ONLY)
        # It says yes if one of several models is there, so the files are looked for.
        self.model_files = {model: folder / f"{model}.traineddata" for model in models}
        missing = [model for model, path in self.model_files.items() if not path.is_file()]
        if missing:
            raise ModelsMissingError(missing, folder)
        if failed:
            raise EngineUnavailableError(f"Tesseract cannot load {', '.join(models)} from {folder}")
        self._orientation_reader, _, failed = self._start(_ORIENTATION_MODEL, _LEGACY_ONLY)
        if failed:
            raise ModelsMissingError([_ORIENTATION_MODEL], folder)
        self.model_files[_ORIENTATION_MODEL] = folder / f"{_ORIENTATION_MODEL}.traineddata"

    def _start(self, models: str, mode: int) -> tuple[Any, Path, bool]:
        """A reader, where its models lie, and whether it cannot use them."""
        reader = self._library.TessBaseAPICreate()
        self._library.TessBaseAPISetVariable(reader, b"debug_file", b"/dev/null")
        failed = self._library.TessBaseAPIInit2(reader, None, models.encode(), mode)
        folder = Path(self._library.TessBaseAPIGetDatapath(reader).decode())
        return reader, folder, bool(failed)

    @property
    def version(self) -> str:
        """Like `5.3.0`."""
        return self._library.TessVersion().decode()

    def find_turn(self, image: RgbImage) -> tuple[Turn, float]:
        """By how much to turn the page so that it is upright, and how sure that is: from 0 on.

        0, 0.0 if it has too few characters to tell.
        """
        degrees, sure = ctypes.c_int(0), ctypes.c_float(0)
        script, script_sure = ctypes.c_char_p(), ctypes.c_float(0)
        reader = self._orientation_reader
        pixels = self._set_image(reader, image)
        try:
            told = self._library.TessBaseAPIDetectOrientationScript(
                reader, degrees, sure, script, script_sure
            )
        finally:
            self._library.TessBaseAPIClear(reader)
            del pixels
        # It tells by how much the page has been turned.
        return (TURNS[-degrees.value // 90 % 4], sure.value) if told else (0, 0.0)

    def read(self, image: RgbImage, layout: Layout) -> str | None:
        """What stands on the image as tab-separated values, see `tesseract.parse_tsv`.

        None if Tesseract gave up.
        """
        self._library.TessBaseAPISetPageSegMode(self._reader, _MODES[layout])
        pixels = self._set_image(self._reader, image)
        try:
            if self._library.TessBaseAPIRecognize(self._reader, None):
                return None
            return self._take_text(self._library.TessBaseAPIGetTsvText(self._reader, 0))
        finally:
            self._library.TessBaseAPIClear(self._reader)
            del pixels

    def _set_image(self, reader: Any, image: RgbImage) -> RgbImage:
        """Gives pixels to a reader; they must be kept until it is cleared."""
        pixels = np.ascontiguousarray(image)
        height, width, channels = pixels.shape
        self._library.TessBaseAPISetImage(
            reader, pixels.ctypes.data, width, height, channels, channels * width
        )
        return pixels

    def _take_text(self, address: int | None) -> str | None:
        if address is None:
            return None
        try:
            return ctypes.string_at(address).decode("utf-8", "replace")
        finally:
            self._library.TessDeleteText(address)


def _load() -> Any:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise EngineUnavailableError(
        "the engine 'tesseract' needs Tesseract 5, which is not installed. On Debian:"
        " apt-get install tesseract-ocr"
    )
