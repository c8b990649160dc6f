"""Makes pictures of image files; a process of its own, for the files may be hostile.

Run as `python -m ocrstream_recorder.pictures.child` by the pool. It dies of a limit that it sets
for itself, or of an image.
"""

import contextlib
import resource
import sys
from pathlib import Path

import msgspec

from ocrstream_recorder.pictures.wire import Answer, Made, Refused, Task, receive, send


def main() -> None:
    """Makes one picture after the other; told its limits: bytes of memory, seconds for each."""
    memory_bytes, cpu_s = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where memory runs out for the whole machine, this goes first.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    while (received := receive(sys.stdin.buffer)) is not None:
        said, content = received
        used = resource.getrusage(resource.RUSAGE_SELF)
        until_s = int(used.ru_utime + used.ru_stime) + cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (until_s, resource.RLIM_INFINITY))
        answer, picture = _make(content, msgspec.msgpack.decode(said, type=Task))
        send(sys.stdout.buffer, answer, picture)


def _make(content: bytes, task: Task) -> tuple[Answer, bytes]:
    # Loaded within the limits, and only in this process.
    from ocrstream_imaging import ImageFileError, TooManyPixelsError  # noqa: PLC0415
    from ocrstream_recorder.pictures import conversion  # noqa: PLC0415

    try:
        made: tuple[Made, bytes] = conversion.make(content, task)
    except (TooManyPixelsError, conversion.TooLargeToShowError) as error:
        return Refused(str(error), too_large=True), b""
    except ImageFileError as error:
        return Refused(str(error)), b""
    return made


if __name__ == "__main__":
    main()
