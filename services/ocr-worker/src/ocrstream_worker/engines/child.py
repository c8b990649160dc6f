"""The engine's process: reads the images that the worker lays into shared memory.

Run as `python -m ocrstream_worker.engines.child SOCKET_FD PARENT_PID SLOT_FD…` by `process`.
It ends when the worker does, whatever it is doing at that moment.
"""

import ctypes
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.memory import read_images
from ocrstream_worker.engines.port import (
    Engine,
    EngineBroken,
    EngineUnavailable,
    Outcome,
    ReadOptions,
    Refused,
    RgbImage,
)
from ocrstream_worker.engines.wire import (
    Done,
    Failed,
    Ready,
    Start,
    ToEngine,
    Work,
    encode_frame,
    read_from_worker,
)
from ocrstream_worker.image_errors import printable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_EXIT_FAILED = 70


def main() -> int:
    """Serves until the worker closes the connection."""
    socket_fd, parent_pid, *slots = (int(argument) for argument in sys.argv[1:])
    # The worker decides when to stop: a Ctrl-C or SIGTERM to the whole group must let it drain.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    _die_with(parent_pid)
    with socket.socket(fileno=socket_fd) as connection:
        inbox: queue.SimpleQueue[ToEngine] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
        try:
            _serve(connection, inbox, slots)
        except EngineUnavailable as error:
            connection.sendall(encode_frame(Failed(str(error), permanent=True)))
        except Exception as error:  # noqa: BLE001 - the worker logs it and starts a new process
            connection.sendall(encode_frame(Failed(_describe(error), permanent=False)))
    return _EXIT_FAILED


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the line above.
    if os.getppid() != parent_pid:
        os._exit(0)


def _receive(connection: socket.socket, inbox: "queue.SimpleQueue[ToEngine]") -> None:
    while (message := read_from_worker(connection)) is not None:
        inbox.put(message)
    # Not sys.exit: the main thread may be deep in native code, and nobody waits for its result.
    os._exit(0)


def _serve(
    connection: socket.socket, inbox: "queue.SimpleQueue[ToEngine]", slots: Sequence[int]
) -> None:
    start = inbox.get()
    if not isinstance(start, Start):
        raise EngineBroken(f"the first message must be Start, not {start!r}")
    engine = create_engine(start.settings)
    engine.warm_up()
    connection.sendall(encode_frame(Ready(engine.info)))
    while True:
        work = inbox.get()
        if isinstance(work, Work):
            begun = time.perf_counter()
            images = read_images(slots[work.slot], work.shapes)
            outcomes = recognize_each(engine, images, work.options)
            busy_s = time.perf_counter() - begun
            connection.sendall(encode_frame(Done(work.number, tuple(outcomes), busy_s)))


def recognize_each(
    engine: Engine, images: Sequence[RgbImage], options: Sequence[ReadOptions]
) -> list[Outcome]:
    """Outcomes of all images; one that the engine fails on costs its neighbours nothing.

    Raises EngineBroken and MemoryError.
    """
    try:
        outcomes = engine.recognize(images, options)
    except (EngineBroken, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the engine's libraries raise
        if len(images) == 1:
            return [Refused(error=_describe(error))]
        return [
            outcome
            for image, option in zip(images, options, strict=True)
            for outcome in recognize_each(engine, [image], [option])
        ]
    if len(outcomes) != len(images):
        raise EngineBroken(f"{engine.info.name} gave {len(outcomes)} for {len(images)} images")
    return outcomes


def _describe(error: BaseException) -> str:
    return printable(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
