"""Has a stopped partition read on: without what its log has lost, or from a new log's beginning."""

from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from psycopg import Connection

from ocrstream_recorder.database import offsets
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import CannotSkipError, DatabaseUnavailableError
from ocrstream_recorder.settings import DatabaseSettings
from ocrstream_runtime.kafka import create_consumer, stop_consumer
from ocrstream_runtime.topics import TopicsMissingError, find_cluster
from ocrstream_schemas.topics import RECORDED_TOPICS


async def skip(settings: DatabaseSettings, topic: str, number: int) -> str:
    """Goes on with the partition at the first record that its log holds; returns what that means.

    Recorders that run take it up within seconds. What was recorded before counts once, also if it
    is read again. Raises CannotSkipError.
    """
    if topic not in RECORDED_TOPICS:
        raise CannotSkipError(f"no recorder reads {topic}, but: {', '.join(RECORDED_TOPICS)}")
    try:
        cluster_id = await find_cluster(settings.kafka_bootstrap_servers)
        begin = await _log_begin(settings, TopicPartition(topic, number))
        before = await _move(settings, cluster_id, (topic, number), begin)
    except (KafkaError, TopicsMissingError, DatabaseUnavailableError) as error:
        raise CannotSkipError(str(error)) from error
    if before is None:
        raise CannotSkipError(
            f"nothing was read of {topic} {number} yet; recorders begin with what its log holds"
        )
    what = (
        f"records {before} to {begin - 1} are lost"
        if before < begin
        else "what its log holds is read from the beginning"
    )
    return f"{topic} {number} goes on at {begin}, where it stood at {before}: {what}"


async def _log_begin(settings: DatabaseSettings, partition: TopicPartition) -> int:
    kafka = create_consumer(settings, "recorder-skip", group_id=None)
    # Without a group it gets all partitions that there are.
    kafka.subscribe([partition.topic])
    try:
        await kafka.start()
        if partition not in kafka.assignment():
            raise CannotSkipError(f"{partition.topic} has no partition {partition.partition}")
        return (await kafka.beginning_offsets([partition]))[partition]
    finally:
        await stop_consumer(kafka)


async def _move(
    settings: DatabaseSettings, cluster_id: str, partition: offsets.Partition, to: int
) -> int | None:
    def move(connection: Connection[Any]) -> int | None:
        with connection.transaction(), connection.cursor() as cursor:
            return offsets.move(cursor, cluster_id, partition, to)

    database = Database(settings.database_url.get_secret_value(), "ocrstream-recorder-skip")
    try:
        return await database.run(move)
    finally:
        await database.close()
