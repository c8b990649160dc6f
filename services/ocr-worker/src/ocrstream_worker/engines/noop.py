"""An engine that reads nothing: the same boxes for every image. For benchmarks and tests."""

import time
from collections.abc import Sequence

from ocrstream_worker.engines.lines import Line, Word, to_boxes, upright
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    Preprocessing,
    Recognition,
    RecognitionOptions,
    RecognitionOutcome,
    RgbImage,
)


class NoopEngine:
    """`noop_boxes` lines of two words, evenly spread over the image's height.

    It takes `noop_image_s` seconds for an image, and claims to read every language.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._lines = settings.noop_boxes
        self._image_s = settings.noop_image_s
        self.info = EngineInfo(name="noop", versions={}, device="cpu")

    def warm_up(self) -> None:
        """Nothing to load."""

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _recognize_one(self, image: RgbImage, options: RecognitionOptions) -> Recognition:
        begun = time.perf_counter()
        time.sleep(self._image_s)
        height, width = image.shape[:2]
        lines = (self._line(number, width, height) for number in range(self._lines))
        boxes = to_boxes(lines, options.boxes, 0, width, height)
        timings_s = {"recognize": time.perf_counter() - begun}
        provenance = self.info.provenance(image, options, timings_s, Preprocessing())
        return Recognition(boxes=boxes, provenance=provenance)

    def _line(self, number: int, width: int, height: int) -> Line:
        top = height * number / self._lines
        bottom = height * (number + 1) / self._lines
        words = (
            Word("line", 1.0, upright(0, top, width / 2, bottom)),
            Word(f"{number + 1}", 1.0, upright(width / 2, top, width, bottom)),
        )
        return Line(f"line {number + 1}", 1.0, upright(0, top, width, bottom), words)
