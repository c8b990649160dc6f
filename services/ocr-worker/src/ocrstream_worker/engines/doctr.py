"""docTR: several pages in one call of its predictor. Needs `python-doctr[torch]`."""

import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from ocrstream_schemas.events import Provenance, TextBox
from ocrstream_worker.engines.port import (
    EngineBroken,
    EngineInfo,
    EngineSettings,
    EngineUnavailable,
    Outcome,
    Recognition,
    RgbImage,
    text_box,
)


class DoctrEngine:
    """Lines of words that docTR put together. Its weights are looked for in DOCTR_CACHE_DIR."""

    def __init__(self, settings: EngineSettings) -> None:
        # No stubs and not part of the default install: used as untyped modules.
        self._torch: Any = import_module("torch")
        self._models: Any = import_module("doctr.models")
        self._settings = settings
        self._predictor: Any = None
        self.info = EngineInfo(
            name="doctr",
            versions={
                "python-doctr": version("python-doctr"),
                "torch": version("torch"),
                "detection": settings.doctr_detection,
                "recognition": settings.doctr_recognition,
            },
            device=settings.doctr_device,
        )

    def warm_up(self) -> None:
        self._torch.set_num_threads(self._settings.threads)
        try:
            self._predictor = self._models.ocr_predictor(
                self._settings.doctr_detection,
                self._settings.doctr_recognition,
                pretrained=True,
                assume_straight_pages=False,
                det_bs=self._settings.doctr_pages,
            ).to(self._settings.doctr_device)
        except (ValueError, OSError, RuntimeError) as error:
            raise EngineUnavailable(
                f"docTR cannot load {self._settings.doctr_detection} and"
                f" {self._settings.doctr_recognition} on {self._settings.doctr_device}: {error}."
                " Put their weights under DOCTR_CACHE_DIR, or let it download them"
            ) from error
        self._read([np.full((256, 256, 3), 255, dtype=np.uint8)])

    def recognize(self, images: Sequence[RgbImage]) -> list[Outcome]:
        begun = time.perf_counter()
        pages = self._read(images)
        seconds = (time.perf_counter() - begun) / len(images)
        return [
            self._recognition(page, image, seconds)
            for page, image in zip(pages, images, strict=True)
        ]

    def _read(self, images: Sequence[RgbImage]) -> Sequence[Mapping[str, Any]]:
        try:
            return self._predictor(list(images)).export()["pages"]
        except self._torch.cuda.OutOfMemoryError as error:
            raise EngineBroken(f"the GPU has no memory for {len(images)} pages") from error

    def _recognition(self, page: Mapping[str, Any], image: RgbImage, seconds: float) -> Recognition:
        height, width = image.shape[:2]
        return Recognition(
            boxes=page_boxes(page, width, height),
            provenance=Provenance(
                engine=self.info.name,
                versions=self.info.versions,
                device=self.info.device,
                width=width,
                height=height,
                timings_s={"recognize": seconds},
            ),
        )


def page_boxes(page: Mapping[str, Any], width: int, height: int) -> tuple[TextBox, ...]:
    """The lines of one page of docTR's export, from shares of the page's sides to pixels.

    A geometry is two corners of an upright box or four points of a polygon. A line's text is its
    words joined by a blank, its confidence their mean.
    """
    lines = (line for block in page["blocks"] for line in block["lines"] if line["words"])
    return tuple(_line_box(line, width, height) for line in lines)


def _line_box(line: Mapping[str, Any], width: int, height: int) -> TextBox:
    words = line["words"]
    return text_box(
        " ".join(word["value"] for word in words),
        sum(float(word["confidence"]) for word in words) / len(words),
        [(x * width, y * height) for x, y in _polygon(line["geometry"])],
        width,
        height,
    )


def _polygon(geometry: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in geometry]
    if len(points) == 2:
        (left, top), (right, bottom) = points
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    return points
