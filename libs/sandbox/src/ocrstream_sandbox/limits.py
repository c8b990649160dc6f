"""Resource limits of a child process: the parent decides them, the child sets them."""

import msgspec


class ChildLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may use, and when the pool replaces it. 0 means no limit.

    The operating system limits the child to `memory_bytes` of data and to files of `file_bytes`. If
    the machine runs out of memory, it kills an `expendable` child first. The pool replaces a child
    after `recycle_jobs` jobs, or when the child holds more than `recycle_bytes`. After
    `crash_loop_limit` consecutive crashes at jobs the pool holds its jobs (see `CrashLoopBreaker`).
    """

    memory_bytes: int = 0
    file_bytes: int = 0
    expendable: bool = False
    recycle_jobs: int = 0
    recycle_bytes: int = 0
    crash_loop_limit: int = 0
