"""Indexes that revisions make beside all other work."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from alembic import context, op

from ocrstream_recorder.database.catalog import FoundTable, find_table


class NewIndex(NamedTuple):
    """An index that is made beside all other work, so outside of any transaction."""

    name: str
    table: str
    keys: tuple[str, ...]
    unique: bool = False
    where: str | None = None

    def statements(self, found: FoundTable | None) -> Iterator[str]:
        """Make it; what an interrupted attempt left behind is of no use, and goes first."""
        if found and any(one.name == self.name and not one.valid for one in found.indexes):
            yield f"DROP INDEX CONCURRENTLY IF EXISTS {self.name}"
        yield self.statement()

    def statement(self) -> str:
        """Make it."""
        kind = "UNIQUE INDEX" if self.unique else "INDEX"
        where = f" WHERE {self.where}" if self.where else ""
        return (
            f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {self.name}"
            f" ON {self.table} ({', '.join(self.keys)}){where}"
        )


def make_indexes(indexes: Iterable[NewIndex]) -> None:
    """Make those that are not there yet."""
    with waiting_patiently():
        for index in indexes:
            found = None if context.is_offline_mode() else find_table(op.get_bind(), index.table)
            for statement in index.statements(found):
                op.execute(statement)


@contextmanager
def waiting_patiently() -> Generator[None]:
    """Each statement stands by itself and waits for its turn: making an index concurrently holds
    nobody else up.
    """
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute("SET lock_timeout = '5s'")
