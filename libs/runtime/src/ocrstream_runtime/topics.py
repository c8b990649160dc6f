"""Creates the topics of the contract: `python -m ocrstream_runtime.topics`."""

import asyncio
import sys
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, KafkaTimeoutError, TopicAlreadyExistsError, for_code

from ocrstream_runtime.errors import TopicsMissingError
from ocrstream_runtime.settings import ServiceSettings, load_settings
from ocrstream_schemas.topics import NEEDED_TOPICS, TOPICS, timestamp_limits

# The source of a configuration value that was set for the topic itself (KIP-226).
_SET_FOR_TOPIC = 1
_UNLIMITED = -1
_MAX_REPLICATION = 3
_LIST_TIMEOUT_S = 30.0
_LIST_INTERVAL_S = 0.05


async def ensure_topics(bootstrap_servers: str) -> list[str]:
    """Creates the missing topics and returns their names once the brokers list them.

    Existing topics keep their configuration, except for the limits of timestamps, which an earlier
    version did not set: a topic without limits gets those that match its retention. The replication
    factor is 3 (2 in sync) on three and more brokers, else the number of brokers. Raises KafkaError
    if no broker answers or the cluster refuses a topic.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
        replication = min(len(cluster["brokers"]), _MAX_REPLICATION)
        durability = {"min.insync.replicas": "2"} if replication == _MAX_REPLICATION else {}
        existing = set(await admin.list_topics())
        await _limit_timestamps(
            admin,
            [
                name
                for name, spec in TOPICS.items()
                if name in existing and not spec.timed_by_broker
            ],
        )
        missing = [spec for name, spec in TOPICS.items() if name not in existing]
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
            # Another service may create the same topic concurrently.
            if code and error is not TopicAlreadyExistsError:
                raise error(f"{topic}: {message}")
        await _wait_until_listed(admin)
        return [spec.name for spec in missing]
    finally:
        await admin.close()


async def _limit_timestamps(admin: AIOKafkaAdminClient, topics: list[str]) -> None:
    """Sets the limits of timestamps for topics without their own. Raises KafkaError."""
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
            # Kafka resets every value of the topic that this request does not repeat.
            changes.append(ConfigResource(ConfigResourceType.TOPIC, topic, limits | own))
    if changes:
        altered: Any = await admin.alter_configs(changes)
        for code, message, _, topic in altered[0].resources:
            if code:
                raise for_code(code)(f"{topic}: {message}")


async def _wait_until_listed(admin: AIOKafkaAdminClient) -> None:
    """Waits until the brokers list the topics, a moment after the controller created them."""
    try:
        async with asyncio.timeout(_LIST_TIMEOUT_S):
            while True:
                if TOPICS.keys() <= set(await admin.list_topics()):
                    return
                await asyncio.sleep(_LIST_INTERVAL_S)
    except TimeoutError as error:
        raise KafkaTimeoutError(
            f"the brokers did not list the new topics within {_LIST_TIMEOUT_S:g} s"
        ) from error


async def find_cluster(bootstrap_servers: str) -> str:
    """Returns the id of the cluster, if it has the needed topics.

    Raises TopicsMissingError if it lacks one, KafkaError if no broker answers.
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
    """Creates the topics on KAFKA_BOOTSTRAP_SERVERS and prints how many were missing."""
    servers = load_settings(ServiceSettings).kafka_bootstrap_servers
    try:
        created = asyncio.run(ensure_topics(servers))
    except KafkaError as error:
        sys.exit(f"Cannot create topics on KAFKA_BOOTSTRAP_SERVERS={servers}: {error}")
    print(f"{len(created)} topics created, {len(TOPICS) - len(created)} already there")  # noqa: T201


if __name__ == "__main__":
    main()
