"""From the lines that an engine read to the outcome of an image: the same for every engine."""

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
    """All lines that an engine gave, blank and doubtful ones as well, in any order.

    `treatment`: what was done to read them. `timings_s`: the seconds of each step.
    """

    lines: Sequence[Line]
    treatment: Preprocessing
    timings_s: dict[str, float]


def to_recognition(
    reading: RecognizedPage,
    image: RgbImage,
    options: RecognitionOptions,
    *,
    info: EngineInfo,
    reader: RecognitionModel,
    min_confidence: float,
) -> Recognition:
    """The outcome, in reading order, with what speaks against it.

    `info` says what read the image, `reader` with which model.
    """
    height, width = image.shape[:2]
    warnings = find_warnings(reading.lines, reader, min_confidence=min_confidence)
    treatment = msgspec.structs.replace(reading.treatment, warnings=warnings)
    return Recognition(
        boxes=to_boxes(reading.lines, options.boxes, min_confidence, width, height),
        provenance=info.provenance(image, options, reading.timings_s, treatment),
    )
