"""Uneven light: paper becomes as light everywhere, ink stays ink; other pages stay as they are."""

import numpy as np
from engine_pages import blank, needs_tesseract, page

from ocrstream_worker.engines.illumination import correct_illumination
from ocrstream_worker.engines.port import EngineSettings, Recognition, RecognitionOptions, RgbImage
from ocrstream_worker.engines.tesseract import TesseractEngine


def lit_from_the_right(image: RgbImage) -> RgbImage:
    shares = np.linspace(0.25, 1.0, image.shape[1])[np.newaxis, :, np.newaxis]
    return (image * shares).astype(np.uint8)


def test_paper_becomes_as_light_everywhere() -> None:
    dark = lit_from_the_right(page("UNEVEN", width=900, height=500))
    evened = correct_illumination(dark)
    paper, before = evened[300:480:20, 20::40, 0], dark[300:480:20, 20::40, 0]
    assert int(np.ptp(before)) > 130
    assert int(np.ptp(paper[:, 2:-2])) < 60
    # The letters are still much darker than the paper beside them.
    assert evened[50:90, 30:400].min() < paper.min() / 2


def test_a_page_that_is_lit_evenly_or_dark_is_left_alone() -> None:
    for image in (page("EVEN"), blank(40, 40), 255 - page("DARK"), np.zeros((9, 9, 3), np.uint8)):
        assert correct_illumination(image) is image


def test_tesseract_reads_a_page_that_is_lit_from_one_side() -> None:
    needs_tesseract("eng")
    image = lit_from_the_right(page("FROM LEFT TO RIGHT", width=800, height=400))
    (outcome,) = TesseractEngine(EngineSettings(engine="tesseract")).recognize(
        [image], [RecognitionOptions()]
    )
    assert isinstance(outcome, Recognition)
    assert [box.text for box in outcome.boxes] == ["FROM LEFT TO RIGHT"]
