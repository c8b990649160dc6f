"""Topics are created, and found by whoever asks afterwards."""

from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka.errors import KafkaTimeoutError

from ocrstream_runtime import topics
from ocrstream_runtime.topics import ensure_topics, find_cluster
from ocrstream_schemas.topics import TOPICS


class LateBroker:
    """Lists topics from the `late`th time on that it is asked for them after they were made."""

    def __init__(self, late: float) -> None:
        self._late = late
        self._made: set[str] | None = None

    def __call__(self, **_: Any) -> Self:
        return self

    async def start(self) -> None:
        """Ready at once."""

    async def close(self) -> None:
        """Nothing to close."""

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [1], "cluster_id": "a-cluster"}

    async def list_topics(self) -> list[str]:
        if self._made is None:
            return []
        self._late -= 1
        return sorted(self._made) if self._late < 0 else []

    async def create_topics(self, wanted: list[Any]) -> SimpleNamespace:
        self._made = {topic.name for topic in wanted}
        return SimpleNamespace(topic_errors=[(name, 0, None) for name in self._made])


async def test_topics_are_found_once_they_were_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "AIOKafkaAdminClient", LateBroker(late=2))
    assert await ensure_topics("broker") == list(TOPICS)
    assert await find_cluster("broker") == "a-cluster"


async def test_topics_that_are_never_listed_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "AIOKafkaAdminClient", LateBroker(late=float("inf")))
    monkeypatch.setattr(topics, "_LIST_TIMEOUT_S", 0.1)
    with pytest.raises(KafkaTimeoutError, match="did not list the new topics"):
        await ensure_topics("broker")
