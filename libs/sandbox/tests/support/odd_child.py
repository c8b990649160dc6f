"""A child process that does what its jobs say, some of which ends it."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence

from ocrstream_sandbox.errors import StartupFailedError
from ocrstream_sandbox.serve import serve

_MIB = 1024 * 1024


class OddHandler:
    """Answers each job with the size of its batch."""

    info = b"odd"

    def __init__(self, settings: bytes) -> None:
        if settings == b"hopeless":
            raise StartupFailedError("no models")
        if settings == b"broken":
            raise RuntimeError("a bad day")
        if settings.startswith(b"spin"):
            self._do(settings)
        self._eaten: list[bytes] = []

    def handle(self, jobs: Sequence[bytes]) -> list[bytes]:
        for job in jobs:
            self._do(job)
        return [b"%d" % len(jobs)] * len(jobs)

    def _do(self, job: bytes) -> None:
        match job.split():
            case [b"segfault"]:
                ctypes.string_at(0)
            case [b"kill"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case [b"stop"]:
                os.kill(os.getpid(), signal.SIGSTOP)
            case [b"hang"]:
                time.sleep(3600)
            case [b"raise"]:
                raise ValueError("unlucky")
            case [b"sleep", seconds]:
                time.sleep(float(seconds))
            case [b"doze", times]:
                for _ in range(int(times)):
                    time.sleep(0.005)
            case [b"spin", cpu_seconds]:
                until = time.process_time() + float(cpu_seconds)
                while time.process_time() < until:
                    pass
            case [b"eat", mib]:
                self._eaten.append(b"x" * (int(mib) * _MIB))
            case _:
                pass


if __name__ == "__main__":
    sys.exit(serve(OddHandler))
