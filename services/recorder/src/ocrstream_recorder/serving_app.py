"""Composition root of the process that answers."""

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase, write_engine
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

SERVICE = "ocrstream-recorder-api"


async def run(settings: ServingSettings) -> int:
    """Answer until told to stop; returns the exit code."""
    configure_logs(SERVICE, settings.log_level)
    configure_tracing(SERVICE)
    stop = stop_on_signals()
    written = settings.database_url.get_secret_value()
    read = settings.read_database_url.get_secret_value() or written
    database = ReadDatabase(
        read, connections=settings.read_connections, timeout_s=settings.read_timeout_s
    )
    marking = write_engine(written)
    watched = Database(read, f"{SERVICE}-events")
    zone = DatabaseZone(settings.db_timezone)
    watcher = BatchWatcher(watched, zone, settings.event_listeners)
    fleet = WorkerRegistry()
    lag_reader = LagReader(settings, settings.worker_group_id)
    health = Health()
    health.add_check("database", lambda: _check(database))
    api = create_api(
        database,
        zone,
        health,
        DeadLetterRecords(settings),
        writing_engine=marking,
        image_source=_image_source(settings),
        fleet=fleet,
        batch_watcher=watcher,
        lag_reader=lag_reader,
        ingest_url=settings.ingest_url,
    )
    # It needs no database, and nothing needs it.
    heartbeats = HeartbeatReader(settings, "recorder-fleet", fleet)
    try:
        work = (heartbeats.run(stop), watcher.run(stop), lag_reader.run(stop))
        return await run_service(api, settings, stop, *work)
    finally:
        await watched.close()
        await database.close()
        await marking.dispose()


def _image_source(settings: ServingSettings) -> ImageSource:
    max_bytes = settings.max_image_bytes
    places = parse_stores(settings.object_stores)
    return ImageSource(
        AllowedFolders(settings.roots, max_bytes=max_bytes),
        # Nobody else asks again for a page of an export.
        AllowedStores(places, max_bytes=max_bytes, retries=2),
        fetch_timeout_s=settings.fetch_timeout_s,
    )


async def _check(database: ReadDatabase) -> None:
    await database.quick.rows(b"SELECT 1", {})
