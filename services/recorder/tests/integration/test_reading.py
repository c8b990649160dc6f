"""Lists, filters, cursors, entity tags and the read-only session of the API, on a real database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import ReadOnlySqlTransaction
from read_events import NOON, ODD, at, ended, fill, write
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from ocrstream_recorder.api.app import create_api
from ocrstream_recorder.api.databases import ReadDatabase, marking_engine
from ocrstream_recorder.letter_box import LetterBox
from ocrstream_recorder.store.zone import DatabaseZone
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.events import OcrFailed, Reason

pytestmark = pytest.mark.integration


@pytest.fixture
async def api(database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    zone = DatabaseZone("Europe/Berlin")
    fill(database_url, zone)
    database = ReadDatabase(database_url, connections=2, timeout_s=5)
    marking = marking_engine(database_url)
    app = create_api(database, zone, Health(), LetterBox(ServiceSettings()), writing_engine=marking)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
        yield client
    await database.close()
    await marking.dispose()


async def get(api: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    answer = await api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def everything(api: httpx.AsyncClient, path: str, **parameters: Any) -> list[Any]:
    """All items of a list, page by page; no page may hold more than its limit."""
    items: list[Any] = []
    for _ in range(60):
        page = await get(api, path, **parameters)
        assert len(page["items"]) <= parameters.get("limit", 100)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        assert page["items"]
        parameters["cursor"] = page["next_cursor"]
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [ODD, "two", "one"]),
        ({"batch_id": ODD}, [ODD]),
        ({"batch_name": "name 0"}, [ODD, "one"]),
        ({"batch_name": "name"}, []),
        ({"status": "REVOKED"}, ["two"]),
        ({"status": "RUNNING", "batch_name": "name 0"}, [ODD, "one"]),
        ({"initiated_by": "user 1"}, ["two"]),
        ({"started_from": at(3600).isoformat()}, []),
        ({"started_from": NOON.isoformat()}, [ODD, "two", "one"]),
        ({"started_before": NOON.isoformat()}, []),
        ({"started_before": at(0.001).isoformat()}, [ODD, "two", "one"]),
    ],
)
async def test_batches_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[str]
) -> None:
    for limit in (1, 2, 100):
        found = await everything(api, "/v1/batches", **parameters, limit=limit)
        assert [batch["batch_id"] for batch in found] == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, range(11)),
        ({"status": "SUCCESS"}, range(6)),
        ({"status": "FAILURE"}, [6, 7, 8]),
        ({"status": "PENDING"}, [10]),
        ({"reason": "no_text"}, [6, 8]),
        ({"reason": "not_found", "status": "FAILURE"}, [7]),
        ({"reason": "not_found", "status": "REVOKED"}, []),
    ],
)
async def test_images_of_a_batch_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[int]
) -> None:
    for limit in (1, 2, 3, 100):
        found = await everything(api, "/v1/batches/one/images", **parameters, limit=limit)
        assert [image["index"] for image in found] == list(expected)


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_chunks_add_up_to_what_the_batch_counts(api: httpx.AsyncClient, limit: int) -> None:
    for batch_id in ("one", "two"):
        batch = await get(api, f"/v1/batches/{batch_id}")
        chunks = await everything(api, f"/v1/batches/{batch_id}/chunks", limit=limit)
        statuses = [chunk["status"] for chunk in chunks]
        assert len(chunks) == batch["total_chunks"] == 4
        assert statuses.count("completed") == batch["completed_chunks"] == 2
        assert statuses.count("failed") == batch["failed_chunks"]
        assert sum(chunk["seen_images"] for chunk in chunks) == batch["seen_images"]
        assert sum(chunk["failed_images"] for chunk in chunks) == batch["failed_images"]
    assert statuses == ["completed", "completed", "failed", "failed"]
    assert chunks[3] == {
        "number": 3,
        "first_index": 9,
        "last_index": 10,
        "status": "failed",
        "seen_images": 2,
        "completed_images": 0,
        "failed_images": 0,
        "revoked_images": 1,
    }


async def test_failures_by_reason_with_examples(api: httpx.AsyncClient) -> None:
    groups = (await get(api, "/v1/batches/two/failures", examples=1))["items"]
    told = [(one["status"], one["reason"], one["images"]) for one in groups]
    assert sorted(told) == [
        ("FAILURE", "no_text", 2),
        ("FAILURE", "not_found", 1),
        # One was skipped, one never began; the cancel counts both.
        ("REVOKED", "revoked", 2),
    ]
    assert [one["images"] for one in groups] == [2, 2, 1]
    examples = {one["reason"]: [image["index"] for image in one["examples"]] for one in groups}
    assert examples == {"no_text": [6], "not_found": [7], "revoked": [9]}
    assert not (await get(api, "/v1/batches/two/failures", examples=0))["items"][0]["examples"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 33),
        ({"reason": "no_text", "status": "REVOKED"}, 0),
        ({"status": "FAILURE"}, 9),
        ({"status": "REVOKED"}, 3),
        ({"reason": "no_text"}, 6),
        ({"chain_name": "batch_image_4"}, 3),
        ({"chain_id": "one/4"}, 1),
        ({"chain_id": "one"}, 0),
    ],
)
async def test_chains_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 4, 100):
        found = await everything(api, "/v1/chains", **parameters, limit=limit)
        assert len(found) == len({chain["chain_id"] for chain in found}) == count
        assert all(chain[name] == value for chain in found for name, value in parameters.items())


async def test_a_chain_tells_its_tasks_as_they_began(api: httpx.AsyncClient) -> None:
    chain = await get(api, "/v1/chains/one%2F0")
    assert [(task["task_name"], task["status"]) for task in chain["tasks"]] == [
        ("ocr", "SUCCESS"),
        ("layout", "RETRY"),
    ]
    assert chain["tasks"][0]["duration_s"] == 0
    assert (await get(api, "/v1/chains/one%2F4"))["tasks"][0]["duration_s"] == 6


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 36),
        ({"task_id": "layout one"}, 1),
        ({"chain_id": "one/0"}, 2),
        ({"task_name": "layout"}, 3),
        ({"task_name": "ocr", "status": "SUCCESS"}, 18),
        ({"status": "RETRY"}, 3),
        ({"worker": "worker 1"}, 9),
        ({"worker": "worker 1", "reason": "not_found"}, 3),
        ({"reason": "no_text"}, 6),
        ({"min_retries": 1}, 15),
        ({"min_retries": 2}, 3),
        ({"started_from": at(480).isoformat()}, 3),
        ({"started_from": at(420).isoformat(), "started_before": at(480).isoformat()}, 3),
    ],
)
async def test_tasks_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 5, 100):
        found = await everything(api, "/v1/tasks", **parameters, limit=limit)
        assert len(found) == len({task["task_id"] for task in found}) == count


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_the_slowest_tasks_come_first(api: httpx.AsyncClient, limit: int) -> None:
    asked = {"order": "slowest", "started_from": at(60).isoformat(), "limit": limit}
    found = await everything(api, "/v1/tasks", **asked)
    assert [task["duration_s"] for task in found] == [
        number * 1.5 for number in range(8, 0, -1) for _ in range(3)
    ]
    assert len({task["task_id"] for task in found}) == 24
    refused = await api.get("/v1/tasks", params={"order": "slowest"})
    assert refused.status_code == 422
    assert "started_from" in refused.json()["detail"]


async def test_tasks_are_summed_up_by_name_and_worker(api: httpx.AsyncClient) -> None:
    asked = {"started_from": NOON.isoformat(), "started_before": at(3600).isoformat()}
    ocr, layout = (await get(api, "/v1/tasks/summary", **asked))["items"]
    assert ocr == {
        "key": "ocr",
        "tasks": 27,
        "by_status": {"SUCCESS": 18, "FAILURE": 9},
        "by_reason": {"no_text": 6, "not_found": 3},
        "retried": 12,
        "median_s": 6,
        "p95_s": 12,
        "longest_s": 12,
    }
    assert (layout["key"], layout["by_status"], layout["longest_s"]) == (
        "layout",
        {"RETRY": 3},
        None,
    )
    workers = (await get(api, "/v1/tasks/summary", **asked, key="worker"))["items"]
    assert [(one["key"], one["tasks"]) for one in workers] == [
        ("worker 0", 9),
        ("worker 1", 9),
        ("worker 2", 9),
        (None, 3),
    ]
    assert workers[1]["by_reason"] == {"not_found": 3}
    one = (await get(api, "/v1/tasks/summary", **asked, task_name="ocr", worker="worker 0"))[
        "items"
    ]
    assert [(group["tasks"], group["key"]) for group in one] == [(9, "ocr")]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["second", "third", "first", "fourth"]),
        ({"order": "reading"}, ["first", "second", "third", "fourth"]),
        ({"min_confidence": 0.9}, ["second", "first", "fourth"]),
        ({"min_confidence": 0.91}, []),
        ({"region": "0,0,100,5"}, ["second", "first"]),
        ({"region": "10,4,30,20"}, ["third", "first"]),
        ({"region": "40,21,45,22.5", "order": "reading"}, ["fourth"]),
        ({"region": "0,30,100,40"}, []),
    ],
)
async def test_text_boxes_are_chosen(
    api: httpx.AsyncClient, parameters: dict[str, Any], expected: list[str]
) -> None:
    image = await get(api, "/v1/images", image_path="file:///one/0.png", **parameters)
    assert [box["text"] for box in image["text_boxes"]] == expected


@pytest.mark.parametrize("region", ["", "1,2,3", "1,2,3,x", "5,0,1,9", "0,0,nan,1", "0,0,inf,1"])
async def test_regions_that_are_none_are_refused(api: httpx.AsyncClient, region: str) -> None:
    asked = {"image_path": "file:///one/0.png", "region": region}
    refused = await api.get("/v1/images", params=asked)
    assert refused.status_code == 422
    assert "left,top,right,bottom" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 27),
        ({"status": "success"}, 18),
        ({"status": "failed"}, 9),
        ({"reason": "not_found"}, 3),
        ({"chain_id": "two/3"}, 1),
    ],
)
async def test_results_are_filtered(
    api: httpx.AsyncClient, parameters: dict[str, Any], count: int
) -> None:
    for limit in (1, 4, 100):
        found = await everything(api, "/v1/ocr-executions", **parameters, limit=limit)
        assert len(found) == len({one["image_path"] for one in found}) == count
        for one in found:
            read = one["status"] == "success"
            assert one["text_box_count"] == (4 if read else 0)
            assert one["mean_confidence"] == (pytest.approx(0.775) if read else None)


@pytest.mark.parametrize("counted", [True, False], ids=["counted when written", "from before"])
async def test_stats_count_what_ended_in_each_bucket(
    api: httpx.AsyncClient, database_url: str, counted: bool
) -> None:
    if not counted:
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE ocr_executions SET text_box_count = NULL")
    asked = {"begin": NOON.isoformat(), "end": at(660).isoformat(), "bucket_s": 300}
    buckets = (await get(api, "/v1/stats", **asked))["items"]
    assert [one["begin"] for one in buckets] == [
        "2026-05-01T12:00:00Z",
        "2026-05-01T12:05:00Z",
        "2026-05-01T12:10:00Z",
    ]
    # Images 0 to 4; 5 to 8, of which three failed; 9, which was skipped at 600 s.
    counts = ("images", "completed_images", "failed_images", "revoked_images", "text_boxes")
    assert [tuple(one[name] for name in counts) for one in buckets] == [
        (15, 15, 0, 0, 60),
        (12, 3, 9, 0, 12),
        (3, 0, 0, 3, 0),
    ]
    assert buckets[1]["failed_by_reason"] == {"no_text": 6, "not_found": 3}
    empty = (await get(api, "/v1/stats", begin=at(-7200).isoformat(), end=NOON.isoformat()))[
        "items"
    ]
    assert [one["images"] for one in empty] == [0, 0]


@pytest.mark.parametrize(
    "asked",
    [
        {"begin": at(0).isoformat(), "end": at(0).isoformat()},
        {"begin": at(1).isoformat(), "end": at(0).isoformat()},
        {"begin": at(0).isoformat(), "end": at(1001).isoformat(), "bucket_s": 1},
        {"begin": "2026-01-01T00:00:00Z", "end": "2026-05-01T00:00:00Z", "bucket_s": 86400},
        {"begin": "0001-01-01T00:00:00Z"},
        {"begin": "2026-05-01T12:00:00"},
        {"begin": "1777636800"},
    ],
)
async def test_stats_are_bounded(api: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    refused = await api.get("/v1/stats", params=asked)
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"


async def test_stats_where_an_hour_comes_twice(database_url: str) -> None:
    """In Berlin 02:00 to 03:00 is there twice on that morning; nothing may be lost or doubled."""
    zone = DatabaseZone("Europe/Berlin")
    begin = datetime(2026, 10, 25, 0, tzinfo=UTC)
    told = [
        OcrFailed(
            chain_id=f"c {quarter}",
            task_id=f"t {quarter}",
            submitted_at=begin,
            started_at=begin,
            image_path=f"file:///{quarter}.png",
            reason=Reason.NO_TEXT,
            error="no text",
            finished_at=begin + timedelta(minutes=15 * quarter),
        )
        for quarter in range(12)
    ]
    write(database_url, told, zone)
    database = ReadDatabase(database_url, connections=1, timeout_s=5)
    app = create_api(database, zone, Health(), LetterBox(ServiceSettings()))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://recorder"
    ) as api:
        asked = {"begin": begin.isoformat(), "end": (begin + timedelta(hours=3)).isoformat()}
        found = (await get(api, "/v1/stats", **asked))["items"]
    await database.close()
    assert sum(one["images"] for one in found) == 12
    assert found[2]["images"] == 4


async def test_ids_may_hold_any_character(api: httpx.AsyncClient) -> None:
    path = f"/v1/batches/{quote(ODD, safe='')}"
    assert (await get(api, path))["batch_id"] == ODD
    assert len((await get(api, f"{path}/images"))["items"]) == 11
    for rest in ("chunks", "failures"):
        assert (await get(api, f"{path}/{rest}"))["items"]
    assert (await get(api, f"{path}/webhooks"))["items"] == []
    chain = quote(f"{ODD}/3", safe="")
    assert (await get(api, f"/v1/chains/{chain}"))["chain_id"] == f"{ODD}/3"
    missing = await api.get("/v1/batches/one%2Fimages")
    assert missing.status_code == 404
    assert "'one/images'" in missing.json()["detail"]
    assert (await api.get("/v1/batches/one%00")).status_code == 422
    assert (await api.get("/v1/batches", params={"batch_name": "a\0"})).status_code == 422


@given(batch_id=st.text(min_size=1, max_size=40).filter(lambda one: one not in {".", ".."}))
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
async def test_any_id_is_told_apart(api: httpx.AsyncClient, batch_id: str) -> None:
    """A batch that is not there is named as it was asked for, whatever it is called."""
    answer = await api.get(f"/v1/batches/{quote(batch_id, safe='')}/images")
    if "\0" in batch_id:
        assert answer.status_code == 422
    elif batch_id not in {"one", "two"}:
        assert answer.status_code == 404
        assert repr(batch_id) in answer.json()["detail"]


async def test_what_did_not_change_is_not_sent_again(
    api: httpx.AsyncClient, database_url: str
) -> None:
    paths = ["/v1/batches/one", "/v1/batches/one/images?limit=3", "/v1/batches", "/v1/tasks"]
    first = {path: await api.get(path) for path in paths}
    for path, answer in first.items():
        tag = answer.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            same = await api.get(path, headers={"if-none-match": known})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
        other = await api.get(path, headers={"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, answer.content)
    late = ended("one", 10, None, "worker 0")
    write(database_url, [late], DatabaseZone("Europe/Berlin"))
    for path, answer in first.items():
        now = await api.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (now.status_code == 304) == (path == "/v1/batches/one/images?limit=3")
    unknown = await api.get("/v1/batches/none", headers={"if-none-match": "*"})
    assert unknown.status_code == 404
    assert "etag" not in unknown.headers


async def test_every_change_of_an_ended_batch_changes_its_tag(
    api: httpx.AsyncClient, database_url: str
) -> None:
    tags = [(await api.get("/v1/batches/two")).headers["etag"]]
    for number in (9, 10):
        write(
            database_url,
            [ended("two", number, None, "worker 0")],
            DatabaseZone("Europe/Berlin"),
        )
        tags.append((await api.get("/v1/batches/two")).headers["etag"])
    assert len(set(tags)) == 3


async def test_reading_cannot_write(database_url: str) -> None:
    database = ReadDatabase(database_url, connections=1, timeout_s=5)
    deletion = "DELETE FROM recorder_dead_letters"
    async with database.engine.connect() as connection:
        with pytest.raises(InternalError, match="read-only transaction"):
            await connection.execute(text(deletion))
    for reads in (database.quick, database.searches):
        with pytest.raises(ReadOnlySqlTransaction):
            await reads.rows(deletion.encode(), {})
    await database.close()


async def test_dead_letters_are_marked_nevertheless(
    api: httpx.AsyncClient, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "INSERT INTO recorder_dead_letters (cluster_id, topic, partition, origin_offset,"
            " origin_timestamp_ms, reason, error, kept_topic, kept_partition, kept_offset)"
            " VALUES ('c', 'ocr.results', 0, 1, 2, 'invalid', 'e', 'ocr.results.dlq', 0, 3)"
            " RETURNING id"
        ).fetchone()
    assert row is not None
    dropped = await api.post("/v1/dead-letters/drop", json={"ids": [row[0], 2**63 - 1]})
    assert dropped.json()["done"] == [row[0]]
    (letter,) = (await get(api, "/v1/dead-letters"))["items"]
    assert letter["state"] == "dropped"
    for too_large in (2**63, -1):
        assert (await api.get(f"/v1/dead-letters/{too_large}")).status_code == 422


async def test_a_read_that_takes_too_long_is_ended(
    api: httpx.AsyncClient, database_url: str
) -> None:
    database = ReadDatabase(database_url, connections=1, timeout_s=0.2)
    app = create_api(database, DatabaseZone("UTC"), Health(), LetterBox(ServiceSettings()))
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE task_logs")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://recorder"
        ) as client:
            answer = await client.get("/v1/tasks")
    await database.close()
    assert answer.status_code == 503
    assert "ask for less" in answer.json()["detail"]


async def test_a_role_that_may_only_read_suffices(database_url: str) -> None:
    """What the operations page grants is all that the read API needs."""
    name = "reader_of_tests"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {name}")  # pyright: ignore
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")  # pyright: ignore
        admin.execute(f"GRANT USAGE ON SCHEMA public TO {name}")  # pyright: ignore
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")  # pyright: ignore
        admin.execute(f"GRANT UPDATE ON recorder_dead_letters TO {name}")  # pyright: ignore
        admin.execute(f"GRANT INSERT ON recorder_rereads TO {name}")  # pyright: ignore
    fill(database_url, DatabaseZone("UTC"))
    rest = database_url.rpartition("@")[2]
    url = f"postgresql://{name}:x@{rest}"
    database, marking = ReadDatabase(url, connections=1, timeout_s=5), marking_engine(url)
    app = create_api(
        database,
        DatabaseZone("UTC"),
        Health(),
        LetterBox(ServiceSettings()),
        writing_engine=marking,
    )
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://recorder"
        ) as api:
            for path in ("batches", "chains", "tasks", "ocr-executions", "dead-letters"):
                answer = await get(api, f"/v1/{path}")
                assert answer["items"] or path == "dead-letters"
            await get(api, "/v1/stats", begin=NOON.isoformat(), end=at(900).isoformat())
            dropped = await api.post("/v1/dead-letters/drop", json={"ids": [1]})
            assert dropped.status_code == 200, dropped.text
            reread = await api.post("/v1/rereads", json={"request_id": "r", "all": True})
            assert reread.status_code == 202, reread.text
        async with database.engine.connect() as connection:
            await connection.execute(text("SET default_transaction_read_only = off"))
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(text("DELETE FROM batch_executions"))
    finally:
        await database.close()
        await marking.dispose()
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")  # pyright: ignore
