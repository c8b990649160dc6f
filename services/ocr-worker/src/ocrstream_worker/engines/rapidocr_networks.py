"""RapidOCR's three networks, each as one function of pixels.

Its own call is left aside: it shrinks a page before lines are cut from it, squeezes long lines
until nobody can tell which way up they are, and resizes every line's pixels once more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import RgbImage

# With more, lines are padded to the width of longer ones, and no page is read faster.
_LINES_AT_ONCE = 1
_PIECES_AT_ONCE = 6
_WIDTH_STEP = 32
# Shorter lines are padded to it, and to no more: RapidOCR's 320 takes twice the time to read a word
# no better, and with less than 128 it reads words worse.
_LEAST_WIDTH = 160

READER_PARAMETERS: dict[str, Any] = {
    "Rec.rec_batch_num": _LINES_AT_ONCE,
    "Rec.rec_img_shape": [3, 48, _LEAST_WIDTH],
}
"""What a RapidOCR reader must be made with for these networks."""


class Read(NamedTuple):
    """What a line says, how sure its characters are on average, and RapidOCR's `WordInfo`."""

    text: str
    confidence: float
    words: Any


class RapidOcrNetworks:
    """The networks of one RapidOCR reader, loaded. Pixels are red first."""

    def __init__(self, reader: Any) -> None:
        # Models are loaded when they are first used.
        blank = np.full((48, 96, 3), 255, dtype=np.uint8)
        reader.run_ocr_steps(blank, {})
        reader.cls_and_rotate([blank])
        reader.recognize_txt([blank])
        self._detector: Any = reader.text_det
        self._classifier: Any = reader.text_cls
        self._recognizer: Any = reader.text_rec
        self._input: Any = type(reader.text_rec)
        self._reader = reader
        self._reader.return_word_box = True
        self._upside_down = list(self._classifier.postprocess_op.label_list).index("180")
        self._recognizer.session = _FewWidths(self._recognizer.session)

    @property
    def sessions(self) -> list[Any]:
        """Each network's session, as its backend has it."""
        return [self._detector.session, self._classifier.session, self._recognizer.session]

    @property
    def characters(self) -> list[str]:
        """All that the recogniser can give."""
        return self._recognizer.session.get_character_list()

    def detect(self, pixels: RgbImage) -> NDArray[np.float32]:
        """See `text_map.Network`."""
        return self._detector.session(_normalized(pixels)[np.newaxis])[0, 0]

    def upside_down(self, pieces: Sequence[RgbImage]) -> list[float]:
        """How sure each piece of a line is upside down, from 0 to 1; see `line_crops.pieces`."""
        sure: list[float] = []
        height, width = self._classifier.cls_image_shape[1:]
        for begin in range(0, len(pieces), _PIECES_AT_ONCE):
            batch = np.zeros(
                (len(pieces[begin : begin + _PIECES_AT_ONCE]), 3, height, width), np.float32
            )
            for place, piece in zip(batch, pieces[begin:], strict=False):
                fitted = min(width, max(1, round(height * piece.shape[1] / piece.shape[0])))
                place[:, :, :fitted] = _normalized(
                    np.asarray(cv2.resize(piece, (fitted, height)), np.uint8)
                )
            sure += self._classifier.session(batch)[:, self._upside_down].tolist()
        return sure

    def read(self, lines: Sequence[RgbImage]) -> list[Read]:
        """What stands on each line, which must be upright, and where its words are."""
        if not lines:
            return []
        # Its models were trained on OpenCV's channel order.
        found = self._reader.recognize_txt([line[:, :, ::-1] for line in lines])
        return [
            Read(*one) for one in zip(found.txts, found.scores, found.word_results, strict=True)
        ]


class _FewWidths:
    """A recogniser's session that sees lines of few different widths.

    OpenVINO prepares itself anew for every width that it has not seen. What is added is what
    RapidOCR itself adds to shorter lines, and what is read in it is taken away again.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __call__(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        width = lines.shape[3]
        added = -width % _WIDTH_STEP
        read = self._session(np.pad(lines, ((0, 0), (0, 0), (0, 0), (0, added))))
        return read[:, : round(read.shape[1] * width / (width + added))]


def _normalized(pixels: RgbImage) -> NDArray[np.float32]:
    """Channels first, blue first, from -1 to 1."""
    return np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1
