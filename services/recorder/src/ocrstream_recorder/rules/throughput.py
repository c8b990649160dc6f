"""How fast a batch's images are done, and when the rest will be.

A batch's row counts its images that were done lately: `recent_images`, in which an image weighs
e^(-age / WINDOW_S). So the pace follows from the row and the time, whoever asks.
"""

import math

WINDOW_S = 30.0
"""Images weigh by age as if all of the last so many seconds counted in full."""

_LONGEST_AGE_S = 20 * WINDOW_S
_LEAST_AGE_S = 1.0


def images_per_s(recent_images: float, counted_ago_s: float, known_for_s: float) -> float:
    """Images a second, to a thousandth.

    `recent_images` as it was `counted_ago_s` before the time that the pace is asked for; the batch
    had been known for `known_for_s` by then: a young one has no full window yet.
    """
    faded = recent_images * math.exp(-min(max(counted_ago_s, 0.0), _LONGEST_AGE_S) / WINDOW_S)
    full = -math.expm1(-max(known_for_s, _LEAST_AGE_S) / WINDOW_S)
    return round(faded / (WINDOW_S * full), 3)


def eta_s(left_images: int, pace: float) -> float | None:
    """Seconds until `left_images` are done at that pace, in full; None if it stands still."""
    return float(math.ceil(left_images / pace)) if pace > 0 else None
