"""What cameras, scanners and copiers do to pixels, as strong as people read without effort."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from accuracy.geometry import Pixels

Effect = Callable[[Pixels, float, np.random.Generator], Pixels]
"""Of pixels, the x-height in pixels, and chance."""


def _clipped(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def none(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """As drawn."""
    return pixels


def blur(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """Out of focus: a Gaussian of 6 to 10 % of the x-height."""
    blurred = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.06, 0.1)) * x_height)
    return np.asarray(blurred, dtype=np.uint8)


def jpeg_q8(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """Compressed to quality 8."""
    _, packed = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 8])
    bgr = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(bgr[:, :, ::-1])


def noise(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """Grain of 18 to 30 levels, and a few specks."""
    grain = rng.normal(0, rng.uniform(18, 30), pixels.shape[:2])
    noisy = _clipped(pixels + grain[:, :, np.newaxis])
    specks = rng.random(pixels.shape[:2]) < 0.0015
    noisy[specks] = 255 - noisy[specks]
    return noisy


def low_contrast(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """Ink 45 to 70 levels from its paper."""
    middle = float(rng.uniform(120, 180))
    return _clipped(middle + (pixels.astype(np.float32) - 128) * (rng.uniform(45, 70) / 255))


def uneven_light(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """A shadow that falls across the page and leaves a third of the light at its darkest."""
    height, width = pixels.shape[:2]
    angle = float(rng.uniform(0, 2 * np.pi))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    along = np.cos(angle) * x / width + np.sin(angle) * y / height
    along = (along - along.min()) / (along.max() - along.min())
    return _clipped(pixels * (1 - 0.67 * along)[:, :, np.newaxis])


def inverted(pixels: Pixels, x_height: float, rng: np.random.Generator) -> Pixels:
    """Light on dark."""
    return 255 - pixels


EFFECTS: dict[str, Effect] = {
    effect.__name__: effect
    for effect in (none, blur, jpeg_q8, noise, low_contrast, uneven_light, inverted)
}
