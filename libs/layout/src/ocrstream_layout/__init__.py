"""The reading order of a page's pieces of text, computed from their polygons."""

from ocrstream_layout.lines import split_into_lines
from ocrstream_layout.order import in_reading_order
from ocrstream_layout.polygons import Polygon

__all__ = ["Polygon", "in_reading_order", "split_into_lines"]
