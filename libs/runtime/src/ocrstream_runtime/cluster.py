"""Detects that another Kafka cluster answers at the same address, as after a loss of its data.

aiokafka's clients reconnect to the new cluster and continue with the positions and producer ids of
the old one. Their users must detect the change and create new clients.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from ocrstream_runtime.errors import ClusterChangedError, StoppedError, TopicsMissingError
from ocrstream_runtime.retries import retry
from ocrstream_runtime.topics import find_cluster

logger = structlog.get_logger(__name__)

_INTERVAL_S = 1.0
_TIMEOUT_S = 10.0


async def wait_for_cluster(bootstrap_servers: str, stop: asyncio.Event) -> str:
    """Returns the cluster's id once it answers and has all topics.

    Raises StoppedError on a stop.
    """
    if stop.is_set():
        raise StoppedError
    return await retry(
        "Kafka",
        lambda: find_cluster(bootstrap_servers),
        (KafkaError, TopicsMissingError),
        stop,
    )


class Cluster:
    """Checks, over a connection of its own, whether the cluster `cluster_id` still answers.

    Use it in `async with`, which closes the connection.
    """

    def __init__(self, bootstrap_servers: str, cluster_id: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._cluster_id = cluster_id
        self._client: AIOKafkaClient | None = None

    async def check(self) -> None:
        """Raises ClusterChangedError if another cluster answers, KafkaError if none does.

        After a successful check, everything that any client had read before came from this cluster.
        """
        client = self._client or await self._connect()
        try:
            response: Any = await client.send(client.get_random_node(), MetadataRequest([]))
        except KafkaError:
            # The next check connects to the bootstrap servers, because the known brokers may be
            # gone.
            await self._disconnect()
            raise
        if response.cluster_id != self._cluster_id:
            raise ClusterChangedError(self._cluster_id, response.cluster_id)

    async def wait_for_change(self) -> None:
        """Returns about a second after another cluster answers; waits while no cluster answers."""
        while True:
            try:
                with contextlib.suppress(KafkaError):
                    await self.check()
            except ClusterChangedError as change:
                logger.warning("switching to another Kafka cluster", reason=str(change))
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

    async def _connect(self) -> AIOKafkaClient:
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
