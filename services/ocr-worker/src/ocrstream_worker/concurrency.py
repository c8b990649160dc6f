"""Limits how many images are in flight, and how many back off before a retry."""

import asyncio
from collections import deque


class InFlightLimit:
    """`count` permits for images in flight; up to `max_backoff` images back off without one."""

    def __init__(self, count: int, max_backoff: int) -> None:
        self._available = count
        self._max_backoff = max_backoff
        self._backing_off = 0
        # Images whose backoff is over; they get a permit before new images.
        self._reacquiring: deque[asyncio.Future[None]] = deque()
        self.permit_released = asyncio.Event()
        """Set whenever a permit becomes available."""

    @property
    def available(self) -> int:
        """The number of new images that may be taken."""
        return self._available

    def acquire(self) -> "Permit":
        """Takes a permit for a new image."""
        self._available -= 1
        return Permit(self)

    def release(self) -> None:
        """Gives a permit back."""
        while self._reacquiring:
            waiter = self._reacquiring.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._available += 1
        self.permit_released.set()

    async def reacquire(self) -> None:
        """Waits for a permit for an image whose backoff is over."""
        if self._available > 0:
            self._available -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._reacquiring.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.release()
            raise

    def begin_backoff(self) -> bool:
        """Counts an image that backs off without a permit; returns False at the limit."""
        if self._backing_off >= self._max_backoff:
            return False
        self._backing_off += 1
        return True

    def end_backoff(self) -> None:
        """Counts the end of a backoff without a permit."""
        self._backing_off -= 1


class Permit:
    """One image's permit, from its acquisition to `release`."""

    def __init__(self, limit: InFlightLimit) -> None:
        self._limit = limit
        self._held = True
        self._backoff_cancelled = False
        self._backoff: asyncio.Future[None] | None = None

    async def back_off(self, seconds: float) -> None:
        """Waits, then returns with a permit; another image may use this one meanwhile.

        It keeps the permit if too many images back off already. After `cancel_backoff` it raises
        CancelledError: whoever reads the record next starts the image anew.
        """
        if self._backoff_cancelled:
            raise asyncio.CancelledError
        without_permit = self._limit.begin_backoff()
        if without_permit:
            self.release()
        try:
            self._backoff = asyncio.ensure_future(asyncio.sleep(seconds))
            await self._backoff
            if without_permit:
                await self._limit.reacquire()
                self._held = True
        finally:
            self._backoff = None
            if without_permit:
                self._limit.end_backoff()

    def cancel_backoff(self) -> None:
        """Ends a current backoff and refuses further ones."""
        self._backoff_cancelled = True
        if self._backoff is not None:
            self._backoff.cancel()

    def release(self) -> None:
        """Gives the permit back; repeated calls have no effect."""
        if self._held:
            self._held = False
            self._limit.release()
