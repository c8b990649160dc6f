"""Which quadrilaterals lie on each other, and by how much."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from accuracy.geometry import Quad

Areas = NDArray[np.float64]


def areas(quads: Sequence[Quad]) -> Areas:
    """The area of each, in square pixels."""
    return np.array([_area(_hull(quad)) for quad in quads], dtype=np.float64)


def shared_areas(ones: Sequence[Quad], others: Sequence[Quad]) -> Areas:
    """What each of the ones has in common with each of the others, `ones` by `others`."""
    shared = np.zeros((len(ones), len(others)))
    if not shared.size:
        return shared
    (left, top), (right, bottom) = _bounds(ones)
    (other_left, other_top), (other_right, other_bottom) = _bounds(others)
    touching = (
        (left[:, None] < other_right)
        & (other_left < right[:, None])
        & (top[:, None] < other_bottom)
        & (other_top < bottom[:, None])
    )
    hulls, other_hulls = [_hull(quad) for quad in ones], [_hull(quad) for quad in others]
    for one, other in zip(*np.nonzero(touching), strict=True):
        area, _ = cv2.intersectConvexConvex(hulls[one], other_hulls[other])
        shared[one, other] = area
    return shared


def count_found(true: Sequence[Quad], read: Sequence[Quad], least: float = 0.5) -> int:
    """How many of the true ones have a read one of their own with an IoU of at least this."""
    shared = shared_areas(true, read)
    if not shared.size:
        return 0
    union = areas(true)[:, None] + areas(read) - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    found = 0
    taken_true, taken_read = np.zeros(len(true), dtype=bool), np.zeros(len(read), dtype=bool)
    candidates = np.argwhere(iou >= least)
    for one, other in candidates[np.argsort(-iou[iou >= least], kind="stable")]:
        if not taken_true[one] and not taken_read[other]:
            taken_true[one] = taken_read[other] = True
            found += 1
    return found


def _bounds(quads: Sequence[Quad]) -> tuple[tuple[Areas, Areas], tuple[Areas, Areas]]:
    points = np.stack(quads)
    least, most = points.min(axis=1), points.max(axis=1)
    return (least[:, 0], least[:, 1]), (most[:, 0], most[:, 1])


def _hull(quad: Quad) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(quad.astype(np.float32)), dtype=np.float32)


def _area(hull: NDArray[np.float32]) -> float:
    return float(cv2.contourArea(hull))
