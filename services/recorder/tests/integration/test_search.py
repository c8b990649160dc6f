"""The search on a real database: it finds what images say now, in any language, and only that."""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql
from search_scene import (
    Searcher,
    index_all,
    path,
    plain,
    read,
    record,
    searching,
    submit,
    write,
)

from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.api.queries import SqlQuery
from ocrstream_recorder.database.connections import Database
from ocrstream_recorder.errors import SessionLostError
from ocrstream_recorder.search import index, queries
from ocrstream_recorder.search.indexer import SearchIndexer
from ocrstream_recorder.search.normalization import image_texts, normalize
from ocrstream_recorder.search.rules import grams_of_query, grams_of_text
from ocrstream_runtime.lifecycle import wait_for_event

pytestmark = pytest.mark.integration

# Latin with marks apart, Greek, Hangul whole and in parts, Han, kana, Arabic, Thai, emoji, hyphens
# and quotation marks, and what SQL's patterns or arrays give a meaning.
ALPHABET = (
    "aAé\u0301ΣςßİﬁöД한글\u1112\u1161\u11ab合計金額ﾊﾟン中𠮷عربฉัน😀👍🏽-\u00ad\u2019"
    " \t\u3000%_\\{}\",'01\u0131\uff21\uff11"
)
TEXTS = st.one_of(
    st.text(ALPHABET, max_size=12),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)


@pytest.fixture
async def searcher(database_url: str) -> AsyncGenerator[Searcher]:
    async with searching(database_url) as searcher:
        yield searcher


def waiting(connection: Connection[Any]) -> int:
    with connection.cursor() as cursor:
        return index.backlog(cursor).waiting


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(TEXTS.filter(bool), max_size=4), min_size=1, max_size=6), st.data())
def test_a_search_finds_what_python_finds(
    database_url: str, images: list[list[str]], data: st.DataObject
) -> None:
    texts = [[one.text for one in image_texts(image)] for image in images]
    whole = "".join(text for image in images for text in image)
    start = data.draw(st.integers(0, len(whole)))
    queries = [whole[start : start + length] for length in (1, 2, 3, 5, 9)]
    queries.append(data.draw(TEXTS))
    wanted = {
        query: {
            path(str(number))
            for number, ways in enumerate(texts)
            if any(normalize(query) in text for text in ways)
        }
        for query in queries
        if normalize(query)
    }

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM ocr_executions")
        record(connection, {str(n): plain(image) for n, image in enumerate(images)})
        index_all(connection)

    async def look() -> dict[str, set[str]]:
        async with searching(database_url) as searcher:
            return {query: set(await searcher.paths(query)) for query in wanted}

    assert asyncio.run(look()) == wanted


async def test_a_hit_tells_of_its_image_and_boxes(
    connection: Connection[Any], searcher: Searcher
) -> None:
    record(connection, {"a": [("발표 자료", 0.5), ("합계 12,000원", 0.75)]}, batch_id="b")
    index_all(connection)
    assert await searcher.answer("합계") == {
        "items": [
            {
                "image_path": "file:///a.png",
                "public_path": None,
                "chain_id": "a-0",
                "batch_id": "b",
                "batch_name": None,
                "index": 0,
                "source_name": "a.pdf",
                "page": 2,
                "text_boxes": [
                    {
                        "text": "합계 12,000원",
                        "confidence": 0.75,
                        "bbox": [[0, 1], [9.5, 0], [9, 4], [0, 4]],
                    }
                ],
            }
        ],
        "next_cursor": None,
        "index": {"waiting_images": 0, "oldest_waiting_s": 0.0},
    }


async def test_a_hit_has_all_boxes_of_what_wraps(
    connection: Connection[Any], searcher: Searcher
) -> None:
    images = {
        "chinese": ["请寄到北京市海", "淀区", "签字"],
        "english": ["it\u2019s the infor-", "mation"],
    }
    record(connection, {name: plain(texts) for name, texts in images.items()})
    index_all(connection)
    for query, name, boxes in [
        ("海淀区", "chinese", [0, 1]),
        ("淀区 签字", "chinese", [1, 2]),
        ("it's", "english", [0]),
        ("the information", "english", [0, 1]),
        ("mation", "english", [1]),
    ]:
        (hit,) = await searcher.hits(query)
        assert hit["image_path"] == path(name)
        assert [box["text"] for box in hit["text_boxes"]] == [images[name][at] for at in boxes]


@pytest.mark.parametrize("limit", [1, 2, 20, 1000])
@pytest.mark.parametrize(("segments", "looks"), [(1, 1), (2, 3), (1_000, 10)])
async def test_the_newest_first_page_by_page(
    connection: Connection[Any],
    searcher: Searcher,
    monkeypatch: pytest.MonkeyPatch,
    *,
    limit: int,
    segments: int,
    looks: int,
) -> None:
    monkeypatch.setattr(queries, "_SEGMENTS_PER_QUERY", segments)
    monkeypatch.setattr("ocrstream_recorder.api.search._MAX_QUERIES", looks)
    # Ids in several segments, of which some are empty; searched for in an order not of their own.
    names = [f"{number:02}" for number in range(45)]
    for number, name in enumerate(names):
        if number % 9 == 0:
            connection.execute(
                "SELECT setval('ocr_executions_id_seq', nextval('ocr_executions_id_seq') + %s)",
                (number * 3000,),
            )
        record(connection, {name: plain(["of the" if number % 3 else "other"])})
    index_all(connection)
    expected = [path(name) for number, name in reversed(list(enumerate(names))) if number % 3]
    assert await searcher.paths("the", mode="word", limit=limit) == expected
    first = await searcher.answer("the", limit=limit)
    if segments == 1_000:
        assert len(first["items"]) == min(limit, len(names))


async def test_boxes_that_nobody_ordered_are_searched_as_they_are_read(
    connection: Connection[Any], searcher: Searcher
) -> None:
    texts = [("Total", 0.9), ("Amount", 0.8)]
    for name, ordered in (("new", True), ("old", False)):
        record(connection, {name: texts}, ordered=ordered)
    # The second one above the first, and a box from before that has no place.
    for text, top in (("Amount", -40), ("Total", -20)):
        place = json.dumps([[0, top], [9, top], [9, top + 4], [0, top + 4]])
        connection.execute("UPDATE ocr_text_boxes SET bbox = %s WHERE text = %s", (place, text))
    connection.execute(
        "INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox)"
        " SELECT id, 'nowhere', 0.5, '[1e999]' FROM ocr_executions"
    )
    index_all(connection)
    assert await searcher.paths("total amount") == [path("new")]
    [hit] = await searcher.hits("amount total")
    assert hit["image_path"] == path("old")
    assert [box["text"] for box in hit["text_boxes"]] == ["Amount", "Total"]


async def test_it_may_be_narrowed(connection: Connection[Any], searcher: Searcher) -> None:
    record(connection, {"a": [("total", 0.4)], "b": [("total", 0.6)]}, batch_id="one")
    record(connection, {"c": [("total", 0.4)], "d": [("subtotal", 0.9)]}, batch_id="two")
    record(connection, {"e": [("total", 0.9)]})
    index_all(connection)
    assert await searcher.paths("total", batch_id="one") == [path("b"), path("a")]
    assert await searcher.paths("total", batch_id="two", mode="word") == [path("c")]
    assert await searcher.paths("total", batch_id="two", min_confidence=0.5) == [path("d")]
    assert await searcher.paths("total", batch_id="none\0") == []


async def test_a_batch_may_be_told_of_later(
    connection: Connection[Any], searcher: Searcher
) -> None:
    record(connection, {"a": plain(["total"])})
    index_all(connection)
    assert await searcher.paths("total", batch_id="b") == []
    submit(connection, "a", "b")
    assert index_all(connection) == 1
    assert await searcher.paths("total", batch_id="b") == [path("a")]


async def test_old_text_is_found_no_more(connection: Connection[Any], searcher: Searcher) -> None:
    record(connection, {"a": plain(["before"])})
    index_all(connection)
    assert await searcher.paths("before") == [path("a")]
    record(connection, {"a": plain(["after"])}, later_s=1)
    # Not indexed anew yet: neither by what it said nor, which the answer tells, by what it says.
    late = await searcher.answer("before")
    assert late["items"] == []
    assert late["index"]["waiting_images"] == 1
    index_all(connection)
    assert await searcher.paths("before") == []
    assert await searcher.paths("after") == [path("a")]
    connection.execute("DELETE FROM ocr_executions")
    assert await searcher.paths("after") == []
    assert connection.execute("SELECT count(*) FROM recorder_search").fetchone() == (0,)


def test_with_its_text_its_keys_go(connection: Connection[Any]) -> None:
    record(connection, {"a": plain(["before"]), "b": plain([" "])})
    index_all(connection)
    assert connection.execute("SELECT count(*) FROM recorder_search").fetchone() == (1,)
    record(connection, {"a": []}, later_s=1)
    index_all(connection)
    assert connection.execute("SELECT count(*) FROM recorder_search").fetchone() == (0,)


async def test_images_from_before_are_indexed(
    connection: Connection[Any], searcher: Searcher
) -> None:
    """Whoever writes a row, as the system before the recorder did."""
    connection.execute(
        "WITH image AS (INSERT INTO ocr_executions (image_path, status) VALUES ('p', 'success')"
        " RETURNING id) INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox)"
        " SELECT id, '發票', 0.9, '[[0,0],[1,0],[1,1],[0,1]]' FROM image"
    )
    index_all(connection)
    assert await searcher.paths("發") == ["p"]


async def test_work_on_many_that_do_not_match_is_bounded(
    connection: Connection[Any], searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocrstream_recorder.api.search._MAX_CANDIDATES", 5)
    record(connection, {str(number): [("total", 0.1)] for number in range(12)})
    record(connection, {"wanted": [("total", 0.9)]})
    index_all(connection)
    first = await searcher.answer("total", min_confidence=0.05, cursor=None)
    assert len(first["items"]) == 5
    second = await searcher.answer("total", min_confidence=0.5, cursor=first["next_cursor"])
    assert second["items"] == []
    assert second["next_cursor"]
    assert await searcher.paths("total", min_confidence=0.5) == [path("wanted")]


async def test_no_search_reads_a_whole_table(
    database_url: str, connection: Connection[Any]
) -> None:
    """Not even a table as small as this one, of which the planner would rather do that."""
    record(connection, {"a": plain(["total"])})
    index_all(connection)
    connection.execute("ANALYZE")
    database = ReadDatabase(database_url, connections=1, timeout_s=30)
    wanted = {"grams": list(grams_of_query("total")), "before": 1 << 62}
    try:
        plan = await database.searches.rows(SqlQuery(b"EXPLAIN " + queries.candidates(20)), wanted)
    finally:
        await database.close()
    assert "Seq Scan" not in str(plan)
    assert "ix_recorder_search_keys" in str(plan)


async def test_no_statement_looks_at_all_that_there_is(
    connection: Connection[Any], searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_SEGMENTS_PER_QUERY", 2)
    monkeypatch.setattr("ocrstream_recorder.api.search._MAX_QUERIES", 3)
    record(connection, {"wanted": plain(["total"])})
    for number in range(9):
        connection.execute(
            "SELECT setval('ocr_executions_id_seq', nextval('ocr_executions_id_seq') + %s)",
            (1 << index.SEGMENT_BITS,),
        )
        record(connection, {str(number): plain(["other"])})
    index_all(connection)
    first = await searcher.answer("total")
    assert first["items"] == []
    second = await searcher.answer("total", cursor=first["next_cursor"])
    assert [item["image_path"] for item in second["items"]] == [path("wanted")]
    assert second["next_cursor"] is None


async def test_what_takes_too_long_is_said(
    connection: Connection[Any], searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(connection, {"a": plain(["total"])})
    index_all(connection)
    slow = "SELECT pg_sleep(60), %(grams)s::int[], %(before)s::bigint LIMIT {limit}"
    monkeypatch.setattr(queries, "_CANDIDATES", slow)
    answer = await searcher.client.get("/v1/search", params={"q": "total"})
    assert answer.status_code == 503
    assert "search for a longer text" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 422),
        ({"q": ""}, 400),
        ({"q": " \t\u3000"}, 400),
        ({"q": "a" * 201}, 422),
        ({"q": "a", "mode": "regex"}, 422),
        ({"q": "a", "min_confidence": 2}, 422),
        ({"q": "a", "cursor": "no"}, 400),
        ({"q": "a", "cursor": "eyJiZWZvcmUiOjkyMjMzNzIwMzY4NTQ3NzU4MDh9"}, 400),
    ],
)
async def test_a_bad_question_is_a_problem(
    searcher: Searcher, parameters: dict[str, Any], status: int
) -> None:
    answer = await searcher.client.get("/v1/search", params=parameters)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_one_of_several_indexes_and_none_leaves_older_keys(
    database_url: str, connection: Connection[Any], searcher: Searcher
) -> None:
    record(connection, {"a": plain(["first"])})
    first = read(connection)
    with psycopg.connect(database_url) as other, other.cursor() as cursor:
        assert index.write(cursor, first) == 1
        record(connection, {"a": plain(["second"])}, later_s=1)
        # The other one has not committed its keys.
        assert index_all(connection) == 0
        other.commit()
    assert index_all(connection) == 1
    # As late as one that was stopped for long: nobody has to look at the first text again.
    assert write(connection, first) == 0
    assert await searcher.paths("second") == [path("a")]


async def test_what_was_replaced_after_it_was_read_is_read_again(
    connection: Connection[Any], searcher: Searcher
) -> None:
    record(connection, {"a": plain(["first"])})
    first = read(connection)
    record(connection, {"a": plain(["second"])}, later_s=1)
    assert write(connection, read(connection, at_once=1)) == 1
    # Only the row of the queue that asked for the second text is gone.
    assert write(connection, first) == 0
    assert waiting(connection) == 1
    assert index_all(connection) == 1
    assert await searcher.paths("second") == [path("a")]
    connection.execute("DELETE FROM ocr_executions")
    assert write(connection, first) == 0


async def test_the_batch_of_an_image_is_asked_for_when_its_keys_are_written(
    connection: Connection[Any], searcher: Searcher
) -> None:
    record(connection, {"a": plain(["text"])})
    alone = read(connection)
    submit(connection, "a", "b")
    assert index_all(connection) == 2
    write(connection, alone)
    assert await searcher.paths("text", batch_id="b") == [path("a")]


@pytest.mark.parametrize(("characters", "images"), [(1, 1), (19, 1), (20, 2), (39, 3), (1_000, 4)])
def test_as_much_text_is_read_at_once_as_fits(
    connection: Connection[Any], characters: int, images: int
) -> None:
    # Ten characters each, with what parts boxes.
    record(connection, {str(number): plain(["text", "more"]) for number in range(3)})
    record(connection, {"newest": plain(["text" * 2, ""])})
    with connection.cursor() as cursor:
        found = index.read(cursor, 50, characters)
        assert [len(one.texts or []) for one in found] == [2] * images
        assert (found[0].texts or [])[0] == "texttext"
        assert len(index.read(cursor, 3, 1_000)) == 3


async def test_one_that_stands_still_loses_its_right_to_index(database_url: str) -> None:
    database = Database(database_url, "search", idle_session_timeout_s=1)

    def may_index(connection: psycopg.Connection[Any]) -> bool:
        with connection.cursor() as cursor:
            return index.may_index(cursor)

    assert await database.run(may_index)
    with psycopg.connect(database_url, autocommit=True) as other:
        assert not may_index(other)
        async with asyncio.timeout(60):
            while not may_index(other):
                await wait_for_event(asyncio.Event(), 0.05)
        with pytest.raises(SessionLostError):
            await database.run(may_index)
        assert not await database.run(may_index)
    await database.close()


INDEX_AND_STALL = """
import sys, psycopg
from ocrstream_recorder.search import index
with psycopg.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    queued = index.read(cursor, 10, 1000)
    index.write(cursor, [index.grams_of(image) for image in queued])
    print("indexed", flush=True)
    sys.stdin.read()
"""


def test_killed_before_its_commit_nothing_is_lost(
    database_url: str, connection: Connection[Any]
) -> None:
    record(connection, {"a": plain(["kept"])})
    command = [sys.executable, "-c", INDEX_AND_STALL, database_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"indexed\n"
        process.kill()
    # The server may take a moment to see that it is gone.
    end = time.monotonic() + 30
    while not index_all(connection):
        assert time.monotonic() < end
    keys = connection.execute("SELECT cardinality(keys) FROM recorder_search").fetchall()
    assert keys == [(len(grams_of_text("kept")),)]


async def test_what_comes_meanwhile_waits_for_nobody(
    database_url: str, connection: Connection[Any]
) -> None:
    """A poll that replaces an image's result while it is indexed is not held up."""
    record(connection, {"a": plain(["first"]), "b": plain(["other"])})
    with psycopg.connect(database_url) as other, other.cursor() as cursor:
        assert index.write(cursor, read(connection)) == 2
        connection.execute("SET lock_timeout = '1ms'")
        record(connection, {"a": plain(["second"]), "c": plain(["new"])}, later_s=1)
        other.rollback()
    assert waiting(connection) == 4


async def test_the_indexer_goes_on_by_itself_and_gives_way(
    database_url: str, connection: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocrstream_recorder.search.indexer._REST_FACTOR", 1e9)
    stop = asyncio.Event()

    async def until(left: int) -> None:
        async with asyncio.timeout(60):
            while waiting(connection) != left:
                await wait_for_event(stop, 0.02)

    recorder = "recorder-of-this-test"
    database = Database(database_url, "search")
    task = asyncio.create_task(SearchIndexer(database, recorder, 30.0).run(stop))
    record(connection, {str(number): plain(["some text"]) for number in range(120)})
    await until(0)
    with psycopg.connect(database_url, application_name=recorder) as writer:
        writer.execute("SELECT 1")  # as in the middle of a poll
        record(connection, {f"more {number}": plain(["text"]) for number in range(30)})
        await until(10)
        for _ in range(20):
            await wait_for_event(stop, 0.02)
            assert waiting(connection) == 10
        writer.commit()
        await until(0)
    stop.set()
    await task
    await database.close()


def test_whoever_may_write_images_is_heard(connection: Connection[Any]) -> None:
    """The system before the recorder may have a user of its own, who knows nothing of searches."""
    role = sql.Identifier(f"before_{secrets.token_hex(4)}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        grant = "GRANT SELECT, INSERT, UPDATE ON ocr_executions TO {0};"
        grant += " GRANT USAGE ON SEQUENCE ocr_executions_id_seq TO {0}; SET ROLE {0}"
        connection.execute(sql.SQL(grant).format(role))
        connection.execute("INSERT INTO ocr_executions (image_path) VALUES ('p')")
        connection.execute("UPDATE ocr_executions SET status = 'failed'")
        connection.execute("RESET ROLE")
        assert waiting(connection) == 2
    finally:
        connection.execute("RESET ROLE")
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_poll_is_seen_while_it_is_written(database_url: str, connection: Connection[Any]) -> None:
    def is_recording() -> bool:
        with connection.cursor() as cursor:
            return index.is_recording(cursor, "the recorder")

    with psycopg.connect(database_url, application_name="the recorder") as writer:
        assert not is_recording()
        writer.execute("SELECT 1")
        assert is_recording()
        writer.commit()
        assert not is_recording()
