"""Times between the wire (instants) and the tables (without zone, in the database's zone)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class DatabaseZone:
    """The zone that the tables' times are in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._zone = UTC if name == "UTC" else ZoneInfo(name)

    def to_local(self, moment: datetime) -> datetime:
        """An instant as the tables store it."""
        if self._zone is UTC and moment.tzinfo is UTC:
            return moment.replace(tzinfo=None)
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def to_utc(self, stored: datetime) -> datetime:
        """A stored time as an instant."""
        return stored.replace(tzinfo=self._zone).astimezone(UTC)
