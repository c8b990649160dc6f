"""Composition root of the serving process."""

from ocrstream_recorder.api.app import SERVICE, create_api
from ocrstream_recorder.api.databases import ReadDatabase, write_engine
from ocrstream_recorder.api.queries import SqlQuery
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_recorder.monitoring.consumer_lag import LagReader
from ocrstream_recorder.monitoring.worker_registry import HeartbeatReader, WorkerRegistry
from ocrstream_recorder.pictures.source import ImageSource
from ocrstream_recorder.progress.batch_watcher import BatchWatcher
from ocrstream_recorder.settings import ServingSettings
from ocrstream_runtime.health import Health
from ocrstream_runtime.local_files import AllowedFolders
from ocrstream_runtime.logs import configure_logs
from ocrstream_runtime.object_stores import AllowedStores, parse_stores
from ocrstream_runtime.server import stop_on_signals
from ocrstream_runtime.service import run_service
from ocrstream_runtime.tracing import configure_tracing


async def run(settings: ServingSettings) -> int:
    """Serve the API until a signal stops the process; returns the exit code."""
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    write_url = settings.database_url.get_secret_value()
    read_url = settings.read_database_url.get_secret_value() or write_url
    database = ReadDatabase(
        read_url, connections=settings.read_connections, timeout_s=settings.read_timeout_s
    )
    writing = write_engine(write_url)
    watched = Database(read_url, f"{SERVICE}-events")
    zone = DatabaseZone(settings.db_timezone)
    watcher = BatchWatcher(watched, zone, settings.event_listeners)
    registry = WorkerRegistry()
    lag_reader = LagReader(settings, settings.worker_group_id)
    health = Health()
    health.add_check("database", lambda: _check(database))
    api = create_api(
        database,
        zone,
        health,
        DeadLetterRecords(settings),
        writing_engine=writing,
        image_source=_image_source(settings),
        worker_registry=registry,
        batch_watcher=watcher,
        lag_reader=lag_reader,
        ingest_url=settings.ingest_url,
    )
    # The heartbeats need no database, and nothing else needs the heartbeats.
    heartbeats = HeartbeatReader(settings, "recorder-heartbeats", registry)
    try:
        work = (heartbeats.run(stop), watcher.run(stop), lag_reader.run(stop))
        return await run_service(api, settings, stop, *work)
    finally:
        await watched.close()
        await database.close()
        await writing.dispose()


def _image_source(settings: ServingSettings) -> ImageSource:
    max_bytes = settings.max_image_bytes
    stores = parse_stores(settings.object_stores)
    return ImageSource(
        AllowedFolders(settings.roots, max_bytes=max_bytes),
        # Nothing else retries the fetch of a page for an export.
        AllowedStores(stores, max_bytes=max_bytes, retries=2),
        fetch_timeout_s=settings.fetch_timeout_s,
    )


async def _check(database: ReadDatabase) -> None:
    await database.quick.rows(SqlQuery(b"SELECT 1"))
