"""Another cluster at the same address is told from the one that was there before."""

import asyncio
from types import SimpleNamespace
from typing import Any, Self

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

from ocrstream_runtime import cluster as cluster_module
from ocrstream_runtime.cluster import Cluster
from ocrstream_runtime.errors import ClusterChangedError


class Broker:
    """Answers with the next of `ids`; None: it is away. Counts connections."""

    def __init__(self, *ids: str | None) -> None:
        self.ids = list(ids)
        self.connections = 0
        self.closed = 0

    def __call__(self, **_: Any) -> Self:
        return self

    async def bootstrap(self) -> None:
        if self.ids and self.ids[0] is None:
            self.ids.pop(0)
            raise KafkaConnectionError("away")
        self.connections += 1

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: Any) -> SimpleNamespace:
        cluster_id = self.ids.pop(0)
        if cluster_id is None:
            raise NodeNotReadyError("away")
        return SimpleNamespace(cluster_id=cluster_id)

    async def close(self) -> None:
        self.closed += 1


def install(monkeypatch: pytest.MonkeyPatch, *ids: str | None) -> Broker:
    broker = Broker(*ids)
    monkeypatch.setattr(cluster_module, "AIOKafkaClient", broker)
    monkeypatch.setattr(cluster_module, "_INTERVAL_S", 0.0)
    return broker


async def test_a_change_is_told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = install(monkeypatch, "old", "old", "new", "new")
    async with Cluster("broker", "old") as cluster:
        await cluster.check()
        await cluster.check()
        for _ in range(2):
            with pytest.raises(ClusterChangedError, match="new answers where old did"):
                await cluster.check()
    assert (broker.connections, broker.closed) == (1, 1)


async def test_a_broker_that_is_away_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = install(monkeypatch, "old", None, None, "old")
    async with Cluster("broker", "old") as cluster:
        await cluster.check()
        with pytest.raises(NodeNotReadyError):
            await cluster.check()
        # The brokers that it knew may be gone for good.
        with pytest.raises(KafkaConnectionError):
            await cluster.check()
        await cluster.check()
    assert broker.connections == 2
    assert broker.closed == 3


async def test_a_change_is_waited_for_through_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = install(monkeypatch, "old", None, None, "old", "new")
    async with asyncio.timeout(10), Cluster("broker", "old") as cluster:
        await cluster.wait_for_change()
    assert broker.ids == []
