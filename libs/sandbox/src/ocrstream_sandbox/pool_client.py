"""A base for clients that give the jobs of a pool types."""

from types import TracebackType
from typing import Self

from ocrstream_sandbox.pool import ChildPool


class PoolClient:
    """Starts the children of `pool` in `async with`, and ends them after the body."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def check(self) -> None:
        """Raises NotReadyError while children crash at every job or get too little CPU."""
        await self._pool.check()

    async def __aenter__(self) -> Self:
        """Starts the children; does not wait until they are ready."""
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the children. Unfinished calls raise ChildDiedError."""
        await self._pool.__aexit__(kind, error, trace)
