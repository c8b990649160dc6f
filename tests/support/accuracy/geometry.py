"""Quadrilaterals, and transformations that take pixels and their truth along."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Height by width by 3, red first."""

Quad = NDArray[np.float64]
"""Four `[x, y]` in pixels, clockwise from where the text's own top left is; the first pixel spans
0 to 1."""

Matrix = NDArray[np.float64]
"""A homography, 3 by 3, for points as in `Quad`."""


def upright(left: float, top: float, right: float, bottom: float) -> Quad:
    """The corners of an upright box."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def move(x: float, y: float) -> Matrix:
    """What shifts by x and y pixels."""
    return np.array([(1, 0, x), (0, 1, y), (0, 0, 1)], dtype=np.float64)


def project(matrix: Matrix, quad: Quad) -> Quad:
    """Where the corners come to lie."""
    points = np.column_stack([quad, np.ones(len(quad))]) @ matrix.T
    return points[:, :2] / points[:, 2:]


def warp(pixels: Pixels, matrix: Matrix, height: int, width: int, paper: tuple[int, ...]) -> Pixels:
    """The pixels where the homography takes them; what nothing covers is paper.

    OpenCV's pixels have their middles at whole numbers, ours at halves.
    """
    centred = move(-0.5, -0.5) @ matrix @ move(0.5, 0.5)
    warped = cv2.warpPerspective(
        pixels, centred, (width, height), flags=cv2.INTER_CUBIC, borderValue=paper
    )
    return np.asarray(warped, dtype=np.uint8)


def quarter_turn(turns: int, height: int, width: int) -> Matrix:
    """What `numpy.rot90(pixels, turns)` does to places in an image of this size."""
    one: dict[int, Matrix] = {
        0: np.eye(3),
        1: np.array([(0, 1, 0), (-1, 0, width), (0, 0, 1)], dtype=np.float64),
        2: np.array([(-1, 0, width), (0, -1, height), (0, 0, 1)], dtype=np.float64),
        3: np.array([(0, -1, height), (1, 0, 0), (0, 0, 1)], dtype=np.float64),
    }
    return one[turns % 4]


def skew(degrees: float, height: int, width: int) -> tuple[Matrix, int, int]:
    """A turn to the right about the middle, and the height and width that then hold everything."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    new_width = int(np.ceil(width * abs(cosine) + height * abs(sine)))
    new_height = int(np.ceil(width * abs(sine) + height * abs(cosine)))
    turn = np.array([(cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)], dtype=np.float64)
    matrix = move(new_width / 2, new_height / 2) @ turn @ move(-width / 2, -height / 2)
    return matrix, new_height, new_width


def perspective(offsets: NDArray[np.float64], height: int, width: int) -> Matrix:
    """What moves the page's corners inwards by these shares of its size: 4 by 2, from 0 to 1."""
    corners = upright(0, 0, width, height)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], dtype=np.float64)
    moved = corners + inwards * offsets * (width, height)
    found = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return np.asarray(found, dtype=np.float64)


def cover(quads: list[Quad]) -> Quad:
    """The upright box around quadrilaterals."""
    points = np.concatenate(quads)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return upright(left, top, right, bottom)
