"""How many CPU cores this process was given."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def default_engine_threads(cgroup: Path = _CGROUP) -> int:
    """How many threads an engine is to compute with, unless told.

    All the cores that were set apart for this process, by its CPU affinity or its control group:
    as a rule a container that has nothing else to do. One, if the whole machine is open to it: then
    more workers of one thread gain more than more threads do, and any number of them may be there.
    """
    machine = os.cpu_count() or 1
    given = min(_affinity(machine), _quota(cgroup) or machine)
    return max(1, int(given)) if given < machine else 1


def _affinity(machine: int) -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine


def _quota(cgroup: Path) -> float | None:
    """Cores' worth of time that the control group allows; None if it sets no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)
