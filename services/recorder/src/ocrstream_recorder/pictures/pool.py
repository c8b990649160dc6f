"""The processes that make pictures: a few, begun when needed, ended and replaced when they die."""

import contextlib
import subprocess
import sys
import weakref
from dataclasses import dataclass
from queue import LifoQueue
from threading import Timer

import msgspec

from ocrstream_recorder.pictures.source import NoPicture, Trouble
from ocrstream_recorder.pictures.wire import Answer, Made, Refused, Task, receive, send

MAX_PIXELS = 100_000_000
PROCESSES = 2
_MEMORY_BYTES = 1024 * 1024 * 1024
_TIMEOUT_S = 60
_PICTURES_EACH = 500


@dataclass(frozen=True)
class WebPicture:
    """A picture as a file, upright; `width` and `height` are those of the whole image in pixels."""

    width: int
    height: int
    media_type: str
    content: bytes


class PicturePool:
    """Makes pictures, as many at once as there are processes. Blocks; for any thread."""

    def __init__(self, processes: int = PROCESSES) -> None:
        children = [_Child() for _ in range(processes)]
        self._free: LifoQueue[_Child] = LifoQueue()
        for child in children:
            self._free.put(child)
        weakref.finalize(self, _end, children)

    def make(
        self, content: bytes, *, width: int | None = None, may_stay: bool = False
    ) -> WebPicture:
        """The picture of an image file, see Task. Raises NoPicture."""
        child = self._free.get()
        try:
            answered = child.ask(Task(MAX_PIXELS, width, may_stay), content)
        finally:
            self._free.put(child)
        match answered:
            case None:
                raise NoPicture(
                    "reading it takes more memory or time than is given, or it is broken",
                    Trouble.UNDECODABLE,
                )
            case Refused(why, too_large), _:
                raise NoPicture(why, Trouble.TOO_LARGE if too_large else Trouble.UNDECODABLE)
            case Made(whole_width, whole_height, media_type), picture:
                return WebPicture(whole_width, whole_height, media_type, picture or content)


class _Child:
    """One process, for one picture at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def ask(self, task: Task, content: bytes) -> tuple[Answer, bytes] | None:
        """The answer; None if the process died of it or took too long."""
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        limit = Timer(_TIMEOUT_S, process.kill)
        limit.start()
        try:
            send(process.stdin, task, content)
            received = receive(process.stdout)
            answered = received and (
                msgspec.msgpack.decode(received[0], type=Answer),
                received[1],
            )
        except (OSError, msgspec.DecodeError):
            answered = None
        finally:
            limit.cancel()
        self._made += 1
        # What libraries leave behind in memory does not grow for ever.
        if answered is None or self._made == _PICTURES_EACH:
            self.end()
        return answered

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):
                process.communicate()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._made = 0
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-m", "ocrstream_recorder.pictures.child"),
                *map(str, (_MEMORY_BYTES, _TIMEOUT_S)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
        )
        return self._process


def _end(children: list[_Child]) -> None:
    for child in children:
        child.end()
