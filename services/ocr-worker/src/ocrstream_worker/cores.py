"""The number of CPU cores that this process was given."""

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def default_engine_threads(cgroup: Path = _CGROUP) -> int:
    """The number of threads that an engine computes with by default.

    It is the number of cores reserved for this process by its CPU affinity or its control group, as
    in a container that does nothing else. It is one if the process may use the whole machine: more
    workers of one thread then gain more than more threads.
    """
    machine_cores = os.cpu_count() or 1
    cores = min(_affinity(machine_cores), _quota(cgroup) or machine_cores)
    return max(1, int(cores)) if cores < machine_cores else 1


def _affinity(machine_cores: int) -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine_cores


def _quota(cgroup: Path) -> float | None:
    """The control group's CPU limit in cores; None if it sets none."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)
