"""Measures how long a process ran, waited for a CPU, or slept.

Linux reports in `/proc/PID/task/TID/schedstat` how long each thread ran, and how long it was
runnable without running, which includes throttling by its control group
(https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat).
"""

import os
from dataclasses import dataclass

WALL_FACTOR = 10.0
"""A timeout that does not count starvation ends after this many times its limit in wall time."""

_SLEEPING = frozenset("SDI")
_STOPPED = frozenset("Tt")
_NS = 1e-9
# No line of either file is longer.
_MAX_LINE_BYTES = 4096


@dataclass(frozen=True)
class CpuUse:
    """The CPU use of all threads of a process since the last measurement.

    `asleep` means that no thread is runnable now, and none was stopped, now or at the last
    measurement. Linux reports a wait for a CPU only once it is over, so for a process that is not
    asleep it is unknown whether it slept or still waits.
    """

    ran_s: float
    waited_s: float
    asleep: bool

    def worked_s(self, elapsed_s: float) -> float:
        """Returns how long, of the `elapsed_s` since the last measurement, the process could work.

        That is the time in which it ran, or slept by itself: it waits for a GPU or a disk, or
        hangs.
        """
        slept_s = max(0.0, elapsed_s - self.ran_s - self.waited_s) if self.asleep else 0.0
        return min(self.ran_s + slept_s, elapsed_s)


class CpuMeter:
    """Measures the CPU use of one process repeatedly."""

    def __init__(self, pid: int) -> None:
        self._threads = f"/proc/{pid}/task"
        # Nanoseconds that each thread ran and waited until the last measurement.
        self._seen: dict[str, tuple[int, int]] = {}
        self._stopped = False

    def look(self) -> CpuUse | None:
        """Returns the use since the last call, or since the start; None if the system reports none.

        It excludes what a thread did between the last call and the thread's end.
        """
        seen: dict[str, tuple[int, int]] = {}
        states: set[str] = set()
        try:
            with os.scandir(self._threads) as threads:
                for thread in threads:
                    try:
                        ran, waited, _ = _read(f"{thread.path}/schedstat").split()
                        stat = _read(f"{thread.path}/stat")
                    except (FileNotFoundError, ProcessLookupError):
                        continue  # the thread has ended
                    # The thread's name before it may contain any character.
                    states.add(stat.rpartition(b")")[2].split()[0].decode("ascii"))
                    seen[thread.name] = int(ran), int(waited)
        except (OSError, ValueError, IndexError):
            return None
        if not any(ran for ran, _ in seen.values()):
            return None  # this kernel does not count
        ran_s, waited_s = (
            _NS
            * sum(now[part] - self._seen.get(thread, (0, 0))[part] for thread, now in seen.items())
            for part in (0, 1)
        )
        was_stopped, self._stopped = self._stopped, not states.isdisjoint(_STOPPED)
        self._seen = seen
        asleep = states <= _SLEEPING and not was_stopped
        return CpuUse(ran_s, waited_s, asleep)


def _read(file: str) -> bytes:
    # Called several times a second for each thread; pathlib would be slower.
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return os.read(descriptor, _MAX_LINE_BYTES)
    finally:
        os.close(descriptor)


def thread_busy_s() -> float:
    """Returns how long the calling thread has run or waited for a CPU; 0 if that is unknown."""
    try:
        ran, waited, _ = _read("/proc/thread-self/schedstat").split()
    except (OSError, ValueError):
        return 0.0
    return _NS * (int(ran) + int(waited))
