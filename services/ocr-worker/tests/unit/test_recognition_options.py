"""What a submission may say about how its image is read."""

from typing import Any

import pytest

from ocrstream_schemas.events import ImageSubmitted, Reason
from ocrstream_worker.engines.port import RecognitionOptions
from ocrstream_worker.errors import PermanentImageError
from ocrstream_worker.recognition_options import recognition_options


@pytest.mark.parametrize(
    ("options", "read"),
    [
        (None, RecognitionOptions(boxes="line")),
        ({}, RecognitionOptions(boxes="line")),
        ({"boxes": None, "deadline": "later"}, RecognitionOptions(boxes="line")),
        ({"boxes": "line"}, RecognitionOptions(boxes="line")),
        ({"boxes": "word", "reuse": True}, RecognitionOptions(boxes="word")),
    ],
)
def test_boxes_are_lines_unless_words_are_asked_for(options: Any, read: RecognitionOptions) -> None:
    assert recognition_options(ImageSubmitted(image_path="a", options=options)) == read


@pytest.mark.parametrize("boxes", ["both", "words", ["line", "word"], 1, {"x": "y" * 999}])
def test_what_cannot_be_is_refused(boxes: Any) -> None:
    with pytest.raises(
        PermanentImageError, match=r"options\.boxes must be line or word, not"
    ) as caught:
        recognition_options(ImageSubmitted(image_path="a", options={"boxes": boxes}))
    assert caught.value.reason is Reason.REFUSED
    assert len(str(caught.value)) < 200
