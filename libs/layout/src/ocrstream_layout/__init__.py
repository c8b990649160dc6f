"""The reading order of a page's pieces of text, computed from their polygons, and joined pieces."""

from ocrstream_layout.joining import join_pieces, separator
from ocrstream_layout.lines import split_into_lines
from ocrstream_layout.order import in_reading_order
from ocrstream_layout.polygons import Polygon

__all__ = ["Polygon", "in_reading_order", "join_pieces", "separator", "split_into_lines"]
