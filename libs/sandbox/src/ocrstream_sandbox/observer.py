"""Where a pool tells what happens to its children."""


class PoolObserver:
    """Is told what there is to be counted. This one counts nothing."""

    def batch_begun(self, jobs: int) -> None:
        """A child does so many jobs in one go."""

    def batch_done(self, busy_s: float) -> None:
        """It has done them, in so many seconds."""

    def replaced(self) -> None:
        """A child that died, hung or was starved is to be replaced."""

    def recycled(self) -> None:
        """A child that needed recycling gets no more jobs; another one does."""

    def held(self, held: bool) -> None:
        """Whether jobs are held because children died at too many in a row."""

    def starved(self, kills: int) -> None:
        """How often in a row a child was ended because it got too little CPU."""
