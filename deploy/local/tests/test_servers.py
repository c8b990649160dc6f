"""Real servers really start, and come back with their data after a kill."""

import os

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from real_servers import CACHE, LOCAL, Broker, discard

from ocrstream_local import processes
from ocrstream_local.postgres import PostgresServer
from ocrstream_local.processes import free_port
from ocrstream_runtime.topics import find_cluster
from ocrstream_schemas.topics import BATCHES_COMPLETED

pytestmark = pytest.mark.integration


async def test_kafka_keeps_what_it_acknowledged_through_a_kill(own_broker: Broker) -> None:
    cluster = await find_cluster(own_broker.bootstrap)
    async with AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, acks="all") as producer:
        await producer.send_and_wait(BATCHES_COMPLETED, b"kept")
    own_broker.kill()
    assert not own_broker.process.running
    own_broker.start()
    assert await find_cluster(own_broker.bootstrap) == cluster
    async with AIOKafkaConsumer(
        BATCHES_COMPLETED, bootstrap_servers=own_broker.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"kept"


def test_postgresql_keeps_what_it_committed_through_a_kill() -> None:
    # Not in the test's own folder: the server's unprivileged user could not go there.
    folder = LOCAL / f"postgres-killed-{os.getpid()}"
    server = PostgresServer(folder, CACHE, folder / "log", free_port())
    process = server.start(print)
    try:
        server.wait(process)
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        processes.kill(process)
        process = server.start(print)
        server.wait(process)
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
    finally:
        processes.stop([process], 20)
        discard(server)


def test_postgresql_wants_the_password(postgres_url: str) -> None:
    user, _, rest = postgres_url.partition("://")[2].partition(":")
    address = rest.partition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://{user}:wrong@{address}")
