"""RapidOCR's three networks, each as a function of pixels.

RapidOCR's own pipeline is not used: it shrinks a page before it crops lines, squeezes long lines
until their orientation is lost, and resizes every line once more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ocrstream_worker.engines.port import RgbImage

# A larger batch pads lines to the longest width and reads no page faster.
_LINES_PER_BATCH = 1
_SAMPLES_PER_BATCH = 6
_WIDTH_STEP = 32
# Shorter lines are padded to this width. RapidOCR's 320 takes twice the time for a word and is no
# more accurate; less than 128 is less accurate.
_LEAST_WIDTH = 160

READER_PARAMETERS: dict[str, Any] = {
    "Rec.rec_batch_num": _LINES_PER_BATCH,
    "Rec.rec_img_shape": [3, 48, _LEAST_WIDTH],
}
"""The parameters that a RapidOCR reader needs for these networks."""


class RecognizedText(NamedTuple):
    """A line's text, the mean confidence of its characters, and RapidOCR's `WordInfo`."""

    text: str
    confidence: float
    words: Any


class RapidOcrNetworks:
    """The loaded networks of one RapidOCR reader. Pixels are red first."""

    def __init__(self, reader: Any) -> None:
        # RapidOCR loads models on first use.
        blank = np.full((48, 96, 3), 255, dtype=np.uint8)
        reader.run_ocr_steps(blank, {})
        reader.cls_and_rotate([blank])
        reader.recognize_txt([blank])
        self._detector: Any = reader.text_det
        self._classifier: Any = reader.text_cls
        self._recognizer: Any = reader.text_rec
        self._reader = reader
        self._reader.return_word_box = True
        self._upside_down = list(self._classifier.postprocess_op.label_list).index("180")
        self._recognizer.session = _PaddedWidthSession(self._recognizer.session)

    @property
    def sessions(self) -> list[Any]:
        """Each network's inference session."""
        return [self._detector.session, self._classifier.session, self._recognizer.session]

    @property
    def characters(self) -> list[str]:
        """All characters that the recogniser can produce."""
        return self._recognizer.session.get_character_list()

    def detect(self, pixels: RgbImage) -> NDArray[np.float32]:
        """Detects text; see `text_map.Network`."""
        return self._detector.session(_normalized(pixels)[np.newaxis])[0, 0]

    def upside_down_scores(self, samples: Sequence[RgbImage]) -> list[float]:
        """The probability that each sample of a line is upside down.

        See `line_crops.orientation_samples`.
        """
        scores: list[float] = []
        height, width = self._classifier.cls_image_shape[1:]
        for begin in range(0, len(samples), _SAMPLES_PER_BATCH):
            batch = np.zeros(
                (len(samples[begin : begin + _SAMPLES_PER_BATCH]), 3, height, width), np.float32
            )
            for target, sample in zip(batch, samples[begin:], strict=False):
                fitted = min(width, max(1, round(height * sample.shape[1] / sample.shape[0])))
                target[:, :, :fitted] = _normalized(
                    np.asarray(cv2.resize(sample, (fitted, height)), np.uint8)
                )
            scores += self._classifier.session(batch)[:, self._upside_down].tolist()
        return scores

    def recognize(self, lines: Sequence[RgbImage]) -> list[RecognizedText]:
        """Recognises lines, which must be upright."""
        if not lines:
            return []
        # RapidOCR's models were trained on OpenCV's channel order.
        found = self._reader.recognize_txt([line[:, :, ::-1] for line in lines])
        return [
            RecognizedText(*one)
            for one in zip(found.txts, found.scores, found.word_results, strict=True)
        ]


class _PaddedWidthSession:
    """A recogniser's session that pads lines to few different widths.

    OpenVINO compiles the network anew for every width. The padding is the one that RapidOCR itself
    adds to shorter lines; its output is removed again.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __call__(self, lines: NDArray[np.float32]) -> NDArray[np.float32]:
        width = lines.shape[3]
        padding = -width % _WIDTH_STEP
        output = self._session(np.pad(lines, ((0, 0), (0, 0), (0, 0), (0, padding))))
        return output[:, : round(output.shape[1] * width / (width + padding))]


def _normalized(pixels: RgbImage) -> NDArray[np.float32]:
    """Channels first, blue first, from -1 to 1."""
    return np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1
