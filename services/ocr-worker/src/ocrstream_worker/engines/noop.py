"""An engine that reads nothing: the same boxes for every image. For benchmarks and tests."""

import time
from collections.abc import Sequence

from ocrstream_schemas.events import Provenance, TextBox
from ocrstream_worker.engines.port import (
    EngineInfo,
    EngineSettings,
    Outcome,
    Recognition,
    RgbImage,
    text_box,
)


class NoopEngine:
    """`noop_boxes` lines, evenly spread over the image's height, after `noop_image_s` seconds."""

    def __init__(self, settings: EngineSettings) -> None:
        self._boxes = settings.noop_boxes
        self._image_s = settings.noop_image_s
        self.info = EngineInfo(name="noop", versions={}, device="cpu")

    def warm_up(self) -> None:
        """Nothing to load."""

    def recognize(self, images: Sequence[RgbImage]) -> list[Outcome]:
        return [self._recognize_one(image) for image in images]

    def _recognize_one(self, image: RgbImage) -> Recognition:
        begun = time.perf_counter()
        time.sleep(self._image_s)
        height, width = image.shape[:2]
        boxes = tuple(self._line(number, width, height) for number in range(self._boxes))
        return Recognition(
            boxes=boxes,
            provenance=Provenance(
                engine=self.info.name,
                versions=self.info.versions,
                device=self.info.device,
                width=width,
                height=height,
                timings_s={"recognize": time.perf_counter() - begun},
            ),
        )

    def _line(self, number: int, width: int, height: int) -> TextBox:
        top = height * number / self._boxes
        bottom = height * (number + 1) / self._boxes
        polygon = ((0, top), (width, top), (width, bottom), (0, bottom))
        return text_box(f"line {number + 1}", 1.0, polygon, width, height)
