"""The frames that Chromium's own trace says were shown while an image pans and zooms.

Its synthetic gestures, those of Chromium's own benchmarks, send input 120 times a second out of
the browser's process. So each frame of a gesture has something new to show, and none waits for a
script.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser, Page

OPTION = "--enable-gpu-benchmarking"
"""What the browser is started with, for its pages to have the gestures."""

GESTURE_S = 2
# Each gesture begins with a picture that is painted and at rest, as a person's does.
_REST_MS = 1_000
_CATEGORIES = [
    "benchmark",
    "cc",
    "disabled-by-default-devtools.timeline.frame",
    "blink.user_timing",
]
_MARK = "gesture"

_DRAG = "chrome.gpuBenchmarking.smoothDrag"
_WHEEL = "chrome.gpuBenchmarking.smoothScrollBy"
_PINCH = "chrome.gpuBenchmarking.pinchBy"
_MOUSE, _TOUCH = "chrome.gpuBenchmarking.MOUSE_INPUT", "chrome.gpuBenchmarking.TOUCH_INPUT"
# Around the stage's middle (x, y), and none as far as the picture's edge, where nothing would move.
_GESTURES = {
    "wheel in": f"{_WHEEL}(-1000, done, x, y, {_MOUSE}, 'down', 500)",
    "mouse there": f"{_DRAG}(x, y, x + 240, y + 180, done, {_MOUSE}, 150)",
    "mouse back": f"{_DRAG}(x, y, x - 240, y - 180, done, {_MOUSE}, 150)",
    "pinch in": f"{_PINCH}(3, x, y, done, 400, {_TOUCH})",
    "finger there": f"{_DRAG}(x, y, x + 240, y + 180, done, {_TOUCH}, 150)",
    "finger back": f"{_DRAG}(x, y, x - 240, y - 180, done, {_TOUCH}, 150)",
    "pinch out": f"{_PINCH}(1 / 3, x, y, done, 400, {_TOUCH})",
    "wheel out": f"{_WHEEL}(900, done, x, y, {_MOUSE}, 'down', 450)",
}
# A measure in the trace from the first input that moves the picture to the last one.
_CARRY_OUT = """
async ({ x, y, name }) => {
  const times = [];
  const note = (event) => times.push(event.timeStamp);
  const kinds = ["wheel", "pointermove"];
  for (const kind of kinds) addEventListener(kind, note, { capture: true, passive: true });
  await new Promise((done) => CALL);
  for (const kind of kinds) removeEventListener(kind, note, { capture: true });
  performance.measure(name, { start: times.at(0), end: times.at(-1) });
}
"""


@dataclass(frozen=True)
class Movement:
    """One gesture, from its first input to its last."""

    name: str
    seconds: float
    due: int
    """Frames that began in that time and had something to show."""
    shown_ms: list[float]
    """When those of them were on the screen that had all that was new."""

    @property
    def intervals_ms(self) -> list[float]:
        return [after - before for before, after in pairwise(self.shown_ms)]


def movements(browser: Browser, page: Page, x: float, y: float) -> list[Movement]:
    """Carry out all gestures around a point of the page."""
    browser.start_tracing(page=page, categories=_CATEGORIES)
    for name, call in _GESTURES.items():
        page.wait_for_timeout(_REST_MS)
        told = {"x": x, "y": y, "name": f"{_MARK} {name}"}
        page.evaluate(_CARRY_OUT.replace("CALL", call), told)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    return list(_movements(events))


def _movements(events: list[dict[str, Any]]) -> Generator[Movement]:
    frames = list(_spans(events, "PipelineReporter"))
    for measure in _spans(events, _MARK):
        begun = [
            frame
            for frame in frames
            if frame.process == measure.process and measure.begin <= frame.begin <= measure.end
        ]
        # One frame may have two reporters: of what the page's thread drew, and of the rest.
        due = {frame.begin for frame in begun if frame.state != "STATE_NO_UPDATE_DESIRED"}
        shown = {frame.end for frame in begun if frame.state == "STATE_PRESENTED_ALL"}
        yield Movement(
            measure.name.removeprefix(f"{_MARK} "),
            (measure.end - measure.begin) / 1e6,
            len(due),
            [end / 1000 for end in sorted(shown)],
        )


@dataclass(frozen=True)
class _Span:
    """Times are in microseconds, of the clock that all processes share."""

    process: int
    name: str
    begin: float
    end: float
    state: str | None


def _spans(events: list[dict[str, Any]], name: str) -> Generator[_Span]:
    """Pairs of begin and end, by their begin, of all that are called so or begin so."""
    open_spans: dict[tuple[int, str], dict[str, Any]] = {}
    for event in sorted(events, key=lambda one: one["ts"]):
        if not event["name"].startswith(name) or event["ph"] not in {"b", "e"}:
            continue
        key = event["pid"], str(event.get("id2", event.get("id")))
        if event["ph"] == "b":
            open_spans[key] = event
        elif (begun := open_spans.pop(key, None)) is not None:
            reporter = begun["args"].get("frame_reporter", {})
            yield _Span(
                event["pid"], begun["name"], begun["ts"], event["ts"], reporter.get("state")
            )
