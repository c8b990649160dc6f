"""What a child process may take, as its parent says and the child sets for itself."""

import msgspec


class ChildLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`memory_bytes` of data and files of `file_bytes` are all that the system gives a child.

    Where the whole machine is out of memory, one that is `expendable` is ended first. After
    `recycle_jobs` jobs, or when it holds more than `recycle_bytes`, another one takes over. After
    `deaths_in_a_row` at jobs, with none done in between, jobs are held. 0: no limit, or never.
    """

    memory_bytes: int = 0
    file_bytes: int = 0
    expendable: bool = False
    recycle_jobs: int = 0
    recycle_bytes: int = 0
    deaths_in_a_row: int = 0
