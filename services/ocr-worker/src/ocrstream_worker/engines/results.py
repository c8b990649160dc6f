"""Makes the outcome of an image from the lines that an engine recognised."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ocrstream_worker.engines.lines import Line, to_boxes
from ocrstream_worker.engines.port import (
    EngineInfo,
    Preprocessing,
    Recognition,
    RecognitionOptions,
    RgbImage,
)
from ocrstream_worker.engines.result_warnings import RecognitionModel, find_warnings


@dataclass(frozen=True)
class RecognizedPage:
    """All lines that an engine returned, including blank and doubtful ones, in any order.

    `preprocessing`: what was done before they were read. `timings_s`: the seconds of each step.
    """

    lines: Sequence[Line]
    preprocessing: Preprocessing
    timings_s: dict[str, float]


def to_recognition(
    page: RecognizedPage,
    image: RgbImage,
    options: RecognitionOptions,
    *,
    info: EngineInfo,
    model: RecognitionModel,
    min_confidence: float,
) -> Recognition:
    """The outcome, in reading order, with its warnings.

    `info` says which engine read the image, `model` with which model.
    """
    height, width = image.shape[:2]
    warnings = find_warnings(page.lines, model, min_confidence=min_confidence)
    preprocessing = msgspec.structs.replace(page.preprocessing, warnings=warnings)
    return Recognition(
        boxes=to_boxes(page.lines, options.boxes, min_confidence, width, height),
        provenance=info.provenance(image, options, page.timings_s, preprocessing),
    )
