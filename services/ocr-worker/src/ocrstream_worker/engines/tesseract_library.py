"""Tesseract's C interface (`tesseract/capi.h` of version 5), as far as it is needed here."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocrstream_worker.engines.port import EngineUnavailable, RgbImage

_NAMES = ("libtesseract.so.5", "libtesseract.5.dylib")
_LSTM_ONLY = 1
# Page segmentation, without finding out how the page is turned.
_AUTOMATIC, _ONE_COLUMN = 3, 4
_text, _number, _pointer = ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TessVersion": (_text, ()),
    "TessBaseAPICreate": (_pointer, ()),
    "TessBaseAPISetVariable": (_number, (_pointer, _text, _text)),
    "TessBaseAPIInit2": (_number, (_pointer, _text, _text, _number)),
    "TessBaseAPIGetDatapath": (_text, (_pointer,)),
    "TessBaseAPISetPageSegMode": (None, (_pointer, _number)),
    "TessBaseAPISetImage": (None, (_pointer, _pointer, *(_number,) * 4)),
    "TessBaseAPIRecognize": (_number, (_pointer, _pointer)),
    # Not as text: what it returns must be given back.
    "TessBaseAPIGetTsvText": (_pointer, (_pointer, _number)),
    "TessDeleteText": (None, (_pointer,)),
    "TessBaseAPIClear": (None, (_pointer,)),
}


class TesseractLibrary:
    """One reader in this process, for as long as the process lives.

    Raises EngineUnavailable if the library or one of the models is not installed.
    """

    def __init__(self, models: Sequence[str], threads: int) -> None:
        # Its loops ask for four threads whatever OMP_NUM_THREADS is; this one caps them, if it is
        # there before the library is loaded.
        os.environ["OMP_THREAD_LIMIT"] = str(threads)
        self._library: Any = _load()
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._reader = self._library.TessBaseAPICreate()
        self._library.TessBaseAPISetVariable(self._reader, b"debug_file", b"/dev/null")
        # It says yes if one of several models is there: so the files are looked for below.
        failed = self._library.TessBaseAPIInit2(
            self._reader, None, "+".join(models).encode(), _LSTM_ONLY
        )
        folder = Path(self._library.TessBaseAPIGetDatapath(self._reader).decode())
        self.model_files = {model: folder / f"{model}.traineddata" for model in models}
        missing = [model for model, path in self.model_files.items() if not path.is_file()]
        if missing:
            raise ModelsMissing(missing, folder)
        if failed:
            raise EngineUnavailable(f"Tesseract cannot load {', '.join(models)} from {folder}")

    @property
    def version(self) -> str:
        """Like `5.3.0`."""
        return self._library.TessVersion().decode()

    def read(self, image: RgbImage, *, one_column: bool = False) -> str | None:
        """What stands on the image as tab-separated values, see `tesseract.parse_tsv`.

        `one_column`: take the page as one, instead of looking for parts. None if Tesseract gave up.
        """
        layout = _ONE_COLUMN if one_column else _AUTOMATIC
        self._library.TessBaseAPISetPageSegMode(self._reader, layout)
        pixels = np.ascontiguousarray(image)
        height, width, channels = pixels.shape
        self._library.TessBaseAPISetImage(
            self._reader, pixels.ctypes.data, width, height, channels, channels * width
        )
        try:
            if self._library.TessBaseAPIRecognize(self._reader, None):
                return None
            return self._take_text(self._library.TessBaseAPIGetTsvText(self._reader, 0))
        finally:
            self._library.TessBaseAPIClear(self._reader)

    def _take_text(self, address: int | None) -> str | None:
        if address is None:
            return None
        try:
            return ctypes.string_at(address).decode("utf-8", "replace")
        finally:
            self._library.TessDeleteText(address)


class ModelsMissing(EngineUnavailable):
    """Tesseract has not got these models in its folder."""

    def __init__(self, models: Sequence[str], folder: Path) -> None:
        super().__init__(f"Tesseract has no {', '.join(models)} in {folder}")
        self.models = models
        self.folder = folder


def _load() -> Any:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise EngineUnavailable(
        "the engine 'tesseract' needs Tesseract 5, which is not installed. On Debian:"
        " apt-get install tesseract-ocr"
    )
