"""Creates the topics of the contract: `python -m ocrstream_runtime.topics`."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, for_code

from ocrstream_runtime.settings import ServiceSettings, load_settings
from ocrstream_schemas.topics import NEEDED_TOPICS, TOPICS, timestamp_limits

# Where a value of a topic's configuration comes from: it was set for this topic. KIP-226.
_SET_FOR_TOPIC = 1
_UNLIMITED = -1
_MAX_REPLICATION = 3
_LISTED_WITHIN_S = 30.0
_LOOK_INTERVAL_S = 0.05


async def ensure_topics(bootstrap_servers: str) -> list[str]:
    """Creates the topics that are missing and returns their names.

    Those that are there are left as they are, but for the limits of timestamps, which an earlier
    version did not set: a topic that has none gets those that go with its retention. Whoever asks
    afterwards finds them. Replication is 3 (2 in sync) on three brokers and more, else the number
    of brokers. Raises KafkaError if the cluster cannot be reached or refuses one.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
        replication = min(len(cluster["brokers"]), _MAX_REPLICATION)
        durability = {"min.insync.replicas": "2"} if replication == _MAX_REPLICATION else {}
        there = set(await admin.list_topics())
        await _limit_timestamps(
            admin,
            [name for name, spec in TOPICS.items() if name in there and not spec.timed_by_broker],
        )
        missing = [spec for name, spec in TOPICS.items() if name not in there]
        if not missing:
            return []
        response: Any = await admin.create_topics(
            [
                NewTopic(
                    spec.name, spec.partitions, replication, topic_configs=spec.config | durability
                )
                for spec in missing
            ]
        )
        for topic, code, *message in response.topic_errors:
            error = for_code(code)
            # Another service may create the same topic at this moment.
            if code and error is not TopicAlreadyExistsError:
                raise error(f"{topic}: {message}")
        await _until_listed(admin)
        return [spec.name for spec in missing]
    finally:
        await admin.close()


async def _limit_timestamps(admin: AIOKafkaAdminClient, topics: list[str]) -> None:
    """Gives the limits of timestamps to topics that have none of their own. Raises KafkaError."""
    if not topics:
        return
    described: Any = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    )
    changes: list[ConfigResource] = []
    for code, message, _, topic, entries in described[0].resources:
        if code:
            raise for_code(code)(f"{topic}: {message}")
        values = {name: value for name, value, *_ in entries}
        own = {name: value for name, value, _, source, *_ in entries if source == _SET_FOR_TOPIC}
        retention_ms = int(values["retention.ms"])
        if retention_ms == _UNLIMITED:
            continue
        limits = timestamp_limits(retention_ms)
        if not limits.keys() <= own.keys():
            # Kafka takes back what was set for the topic and is not named again.
            changes.append(ConfigResource(ConfigResourceType.TOPIC, topic, limits | own))
    if changes:
        altered: Any = await admin.alter_configs(changes)
        for code, message, _, topic in altered[0].resources:
            if code:
                raise for_code(code)(f"{topic}: {message}")


async def _until_listed(admin: AIOKafkaAdminClient) -> None:
    """A broker hears of topics a moment after the controller has made them."""
    try:
        async with asyncio.timeout(_LISTED_WITHIN_S):
            while True:
                if TOPICS.keys() <= set(await admin.list_topics()):
                    return
                await asyncio.sleep(_LOOK_INTERVAL_S)
    except TimeoutError as error:
        raise KafkaTimeoutError(
            f"topics were made, but not listed within {_LISTED_WITHIN_S:g} s"
        ) from error


class TopicsMissingError(Exception):
    """Topics of the contract have not been created."""

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(
            f"topics are missing ({', '.join(sorted(missing))}); create them with:"
            " python -m ocrstream_runtime.topics"
        )


async def find_cluster(bootstrap_servers: str) -> str:
    """The id of the cluster that has the topics.

    Raises TopicsMissingError if it has not all that are needed, KafkaError if it cannot be reached.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        missing = NEEDED_TOPICS - set(await admin.list_topics())
        if missing:
            raise TopicsMissingError(missing)
        return (await admin.describe_cluster())["cluster_id"]
    finally:
        await admin.close()


def main() -> None:
    """Creates the topics on KAFKA_BOOTSTRAP_SERVERS and says which were new."""
    servers = load_settings(ServiceSettings).kafka_bootstrap_servers
    try:
        created = asyncio.run(ensure_topics(servers))
    except KafkaError as error:
        sys.exit(f"Topics cannot be created on KAFKA_BOOTSTRAP_SERVERS={servers}: {error}")
    print(f"{len(created)} topics created, {len(TOPICS) - len(created)} already there")  # noqa: T201


if __name__ == "__main__":
    main()
