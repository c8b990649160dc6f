"""An engine that reports the same boxes for every image, for benchmarks and tests."""

import time
from collections.abc import Sequence

from ocrstream_worker.engines.lines import Line, Word, box_corners, to_boxes
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
    """Reports `noop_boxes` lines of two words, evenly distributed over the image's height.

    It takes `noop_image_s` seconds for an image, and claims to read every language.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._lines = settings.noop_boxes
        self._image_s = settings.noop_image_s
        self.info = EngineInfo(name="noop", versions={}, device="cpu")

    def warm_up(self) -> None:
        """Loads nothing."""

    def recognize(
        self, images: Sequence[RgbImage], options: Sequence[RecognitionOptions]
    ) -> list[RecognitionOutcome]:
        return [self._recognize_one(*one) for one in zip(images, options, strict=True)]

    def _recognize_one(self, image: RgbImage, options: RecognitionOptions) -> Recognition:
        started_at = time.perf_counter()
        time.sleep(self._image_s)
        height, width = image.shape[:2]
        lines = (self._line(number, width, height) for number in range(self._lines))
        boxes = to_boxes(lines, options.boxes, 0, width, height)
        timings_s = {"recognize": time.perf_counter() - started_at}
        provenance = self.info.provenance(image, options, timings_s, Preprocessing())
        return Recognition(boxes=boxes, provenance=provenance)

    def _line(self, number: int, width: int, height: int) -> Line:
        top = height * number / self._lines
        bottom = height * (number + 1) / self._lines
        words = (
            Word("line", 1.0, box_corners(0, top, width / 2, bottom)),
            Word(f"{number + 1}", 1.0, box_corners(width / 2, top, width, bottom)),
        )
        return Line(f"line {number + 1}", 1.0, box_corners(0, top, width, bottom), words)
