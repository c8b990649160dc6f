"""What the system says about a process: how long it ran, waited for a core, or slept.

Linux tells in `/proc/PID/task/TID/schedstat` how long each thread ran and how long it was runnable
without running, throttled by its control group included
(https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat).
"""

import os
from dataclasses import dataclass

WALL_FACTOR = 10.0
"""How many times its limit something may take on the clock when it gets too little CPU."""

_SLEEPING = frozenset("SDI")
_STOPPED = frozenset("Tt")
_NS = 1e-9
# Of one line of either file.
_MOST_BYTES = 4096


@dataclass(frozen=True)
class CpuUse:
    """Of all threads of a process, since the last look.

    `asleep`: none of them wants a core now, and none was stopped, now or at the last look. The wait
    for a core is told only once it is over, so of a process that is not asleep it is unknown
    whether it slept or waits.
    """

    ran_s: float
    waited_s: float
    asleep: bool

    def worked_s(self, elapsed_s: float) -> float:
        """For how much of the time since the last look the process could work.

        It ran, or it slept of its own accord: because it waits for a GPU or a disk, or hangs.
        """
        slept_s = max(0.0, elapsed_s - self.ran_s - self.waited_s) if self.asleep else 0.0
        return min(self.ran_s + slept_s, elapsed_s)


class CpuMeter:
    """Looks at one process again and again."""

    def __init__(self, pid: int) -> None:
        self._threads = f"/proc/{pid}/task"
        # Nanoseconds that each thread ran and waited until the last look.
        self._seen: dict[str, tuple[int, int]] = {}
        self._stopped = False

    def look(self) -> CpuUse | None:
        """The use since the last look, or the process' start; None where the system tells nothing.

        What a thread did between the last look and its end is left out.
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
                        continue  # it has ended
                    # The name before it may hold anything.
                    states.add(stat.rpartition(b")")[2].split()[0].decode("ascii"))
                    seen[thread.name] = int(ran), int(waited)
        except (OSError, ValueError, IndexError):
            return None
        if not any(ran for ran, _ in seen.values()):
            return None  # a kernel that does not count
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
    # Several times a second for each thread, which is why this is not done by pathlib.
    descriptor = os.open(file, os.O_RDONLY)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def thread_busy_s() -> float:
    """For how long the calling thread ran, or waited for a core, so far; 0 where nobody knows."""
    try:
        ran, waited, _ = _read("/proc/thread-self/schedstat").split()
    except (OSError, ValueError):
        return 0.0
    return _NS * (int(ran) + int(waited))
