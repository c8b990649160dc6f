"""How many images are in work at once, and how many rest until their next attempt."""

import asyncio
from collections import deque


class InFlightLimit:
    """`count` places for images in work; `resting` images at most give theirs up meanwhile."""

    def __init__(self, count: int, resting: int) -> None:
        self._free = count
        self._resting_allowed = resting
        self._resting = 0
        # Those that have rested and want a place again; they come before new images.
        self._returning: deque[asyncio.Future[None]] = deque()
        self.room = asyncio.Event()
        """Set whenever a place becomes free."""

    @property
    def free(self) -> int:
        """How many new images may be taken."""
        return self._free

    def take(self) -> "Permit":
        """A place for a new image."""
        self._free -= 1
        return Permit(self)

    def give_back(self) -> None:
        """A place is not needed any more."""
        while self._returning:
            returning = self._returning.popleft()
            if not returning.done():
                returning.set_result(None)
                return
        self._free += 1
        self.room.set()

    async def return_one(self) -> None:
        """Take a place for an image that has rested; waits for one."""
        if self._free > 0:
            self._free -= 1
            return
        returning = asyncio.get_running_loop().create_future()
        self._returning.append(returning)
        try:
            await returning
        except asyncio.CancelledError:
            if not returning.cancelled():
                self.give_back()
            raise

    def begin_rest(self) -> bool:
        """Whether another image may give up its place; counts it."""
        if self._resting >= self._resting_allowed:
            return False
        self._resting += 1
        return True

    def end_rest(self) -> None:
        """One image less rests without a place."""
        self._resting -= 1


class Permit:
    """One image's place, from when it is taken to `leave`."""

    def __init__(self, places: InFlightLimit) -> None:
        self._places = places
        self._held = True
        self._recalled = False
        self._rest: asyncio.Future[None] | None = None

    async def rest(self, seconds: float) -> None:
        """Returns after so long, with a place.

        Others may have this one meanwhile, unless too many rest already. Recalled, it ends the
        image's task as if cancelled: whoever reads the record next begins anew.
        """
        if self._recalled:
            raise asyncio.CancelledError
        away = self._places.begin_rest()
        if away:
            self.leave()
        try:
            self._rest = asyncio.ensure_future(asyncio.sleep(seconds))
            await self._rest
            if away:
                await self._places.return_one()
                self._held = True
        finally:
            self._rest = None
            if away:
                self._places.end_rest()

    def recall(self) -> None:
        """From now on it does not rest: nobody has the time to wait for it."""
        self._recalled = True
        if self._rest is not None:
            self._rest.cancel()

    def leave(self) -> None:
        """The image does not need it any more; may be called again."""
        if self._held:
            self._held = False
            self._places.give_back()
