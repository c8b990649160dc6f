"""The part of Tesseract's C interface (`tesseract/capi.h` of version 5) that the engine uses."""

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
PageSegmentation = Literal["automatic", "column", "line"]
"""Tesseract's page segmentation mode. None of them detects the page's orientation."""
_SEGMENTATION_MODES: dict[PageSegmentation, int] = {"automatic": 3, "column": 4, "line": 7}
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
    # Not `_text`: the caller must free the returned string.
    "TessBaseAPIGetTsvText": (_pointer, (_pointer, _number)),
    "TessDeleteText": (None, (_pointer,)),
    "TessBaseAPIClear": (None, (_pointer,)),
}


class TesseractLibrary:
    """The library's recogniser, for the life of the process.

    Raises EngineUnavailableError if the library or one of the models is not installed.
    """

    def __init__(self, models: Sequence[str], threads: int) -> None:
        # Tesseract requests four threads whatever OMP_NUM_THREADS is. This variable caps them if it
        # is set before the library is loaded.
        os.environ["OMP_THREAD_LIMIT"] = str(threads)
        self._library: Any = _load()
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._recognizer, folder, failed = self._start("+".join(models), _LSTM_ONLY)
        # Init succeeds if one of several models exists, so the files are checked here.
        self.model_files = {model: folder / f"{model}.traineddata" for model in models}
        missing = [model for model, path in self.model_files.items() if not path.is_file()]
        if missing:
            raise ModelsMissingError(missing, folder)
        if failed:
            raise EngineUnavailableError(f"Tesseract cannot load {', '.join(models)} from {folder}")
        self._orientation_recognizer, _, failed = self._start(_ORIENTATION_MODEL, _LEGACY_ONLY)
        if failed:
            raise ModelsMissingError([_ORIENTATION_MODEL], folder)
        self.model_files[_ORIENTATION_MODEL] = folder / f"{_ORIENTATION_MODEL}.traineddata"

    def _start(self, models: str, mode: int) -> tuple[Any, Path, bool]:
        """Creates a recogniser; returns it, its models' folder, and whether it failed to load."""
        recognizer = self._library.TessBaseAPICreate()
        self._library.TessBaseAPISetVariable(recognizer, b"debug_file", b"/dev/null")
        failed = self._library.TessBaseAPIInit2(recognizer, None, models.encode(), mode)
        folder = Path(self._library.TessBaseAPIGetDatapath(recognizer).decode())
        return recognizer, folder, bool(failed)

    @property
    def version(self) -> str:
        """The version, like `5.3.0`."""
        return self._library.TessVersion().decode()

    def detect_orientation(self, image: RgbImage) -> tuple[Turn, float]:
        """The turn that makes the page upright, and the certainty: from 0 on.

        Returns 0, 0.0 if the page has too few characters.
        """
        degrees, certainty = ctypes.c_int(0), ctypes.c_float(0)
        script, script_certainty = ctypes.c_char_p(), ctypes.c_float(0)
        recognizer = self._orientation_recognizer
        pixels = self._set_image(recognizer, image)
        try:
            detected = self._library.TessBaseAPIDetectOrientationScript(
                recognizer, degrees, certainty, script, script_certainty
            )
        finally:
            self._library.TessBaseAPIClear(recognizer)
            del pixels
        # Tesseract returns by how much the page has been turned.
        return (TURNS[-degrees.value // 90 % 4], certainty.value) if detected else (0, 0.0)

    def recognize(self, image: RgbImage, segmentation: PageSegmentation) -> str | None:
        """The text as tab-separated values, see `tesseract.parse_tsv`; None on failure."""
        self._library.TessBaseAPISetPageSegMode(self._recognizer, _SEGMENTATION_MODES[segmentation])
        pixels = self._set_image(self._recognizer, image)
        try:
            if self._library.TessBaseAPIRecognize(self._recognizer, None):
                return None
            return self._take_text(self._library.TessBaseAPIGetTsvText(self._recognizer, 0))
        finally:
            self._library.TessBaseAPIClear(self._recognizer)
            del pixels

    def _set_image(self, recognizer: Any, image: RgbImage) -> RgbImage:
        """Passes pixels to a recogniser; the caller keeps them until it is cleared."""
        pixels = np.ascontiguousarray(image)
        height, width, channels = pixels.shape
        self._library.TessBaseAPISetImage(
            recognizer, pixels.ctypes.data, width, height, channels, channels * width
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
