"""The queries behind the images' paths."""

from sqlalchemy import select

from ocrstream_recorder.api.image_models import Image, TextBox
from ocrstream_recorder.api.reading import Reading
from ocrstream_recorder.store.tables import OcrExecution


async def image(reading: Reading, image_path: str) -> Image | None:
    """The result that holds the path, or None if there is none yet."""
    row = await reading.session.scalar(
        select(OcrExecution).where(OcrExecution.image_path == image_path)
    )
    if row is None:
        return None
    boxes = [
        TextBox(text=box.text, confidence=box.confidence, bbox=box.bbox) for box in row.text_boxes
    ]
    return reading.view(Image, row, text_boxes=boxes)
