"""Which Kafka cluster answers: one whose data was lost has another id at the same address.

aiokafka's clients connect again, and go on with the positions and producer ids that they had from
the cluster before. Whoever uses them has to ask, and to begin anew.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from ocrstream_runtime.lifecycle import Stopped
from ocrstream_runtime.retries import retry
from ocrstream_runtime.topics import TopicsMissingError, find_cluster

logger = structlog.get_logger(__name__)

_INTERVAL_S = 1.0
_TIMEOUT_S = 10.0


async def wait_for_cluster(bootstrap_servers: str, stop: asyncio.Event) -> str:
    """Returns the cluster's id once it answers and has all topics. Raises Stopped on a stop."""
    if stop.is_set():
        raise Stopped
    return await retry(
        "Kafka",
        lambda: find_cluster(bootstrap_servers),
        (KafkaError, TopicsMissingError),
        stop,
    )


class ClusterChanged(Exception):
    """Another cluster answers than the one that was begun with."""

    def __init__(self, known: str, found: str) -> None:
        super().__init__(f"cluster {found} answers where {known} did")


class Cluster:
    """The cluster `cluster_id`, as long as it is there; it is asked over a connection of its own.

    To be used in `async with`.
    """

    def __init__(self, bootstrap_servers: str, cluster_id: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._cluster_id = cluster_id
        self._client: AIOKafkaClient | None = None

    async def check(self) -> None:
        """Raises ClusterChanged if another cluster answers, KafkaError if none does.

        What was read before from the brokers, by whichever client, was this cluster's.
        """
        client = self._client or await self._connected()
        try:
            answer: Any = await client.send(client.get_random_node(), MetadataRequest([]))
        except KafkaError:
            # The next one asks the bootstrap servers, too: the brokers known so far may be gone.
            await self._disconnect()
            raise
        if answer.cluster_id != self._cluster_id:
            raise ClusterChanged(self._cluster_id, answer.cluster_id)

    async def until_changed(self) -> None:
        """Returns when another cluster answers, within about a second; waits while none does."""
        while True:
            try:
                with contextlib.suppress(KafkaError):
                    await self.check()
            except ClusterChanged as change:
                logger.warning("going over to another Kafka cluster", why=str(change))
                return
            await asyncio.sleep(_INTERVAL_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._disconnect()

    async def _connected(self) -> AIOKafkaClient:
        client = AIOKafkaClient(
            bootstrap_servers=self._bootstrap_servers, request_timeout_ms=int(_TIMEOUT_S * 1000)
        )
        try:
            await client.bootstrap()
        except BaseException:
            await client.close()
            raise
        self._client = client
        return client

    async def _disconnect(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
