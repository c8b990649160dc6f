"""What the recorder is measured against: the server's limit, and how Celery tasks write."""

import time
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from recorder_load import BATCH_ID, BOXES
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from ocrstream_recorder.database.tables import (
    BatchExecution,
    ChainExecution,
    OcrExecution,
    OcrTextBox,
    TaskLog,
)
from ocrstream_recorder.migrations.migrate import sqlalchemy_url

Lines = dict[str, list[bytes]]
"""Lines of COPY, ids and all, by table."""

# In an order in which a row comes with, or after, the one that it refers to.
TABLES: dict[str, LiteralString] = {
    "chain_executions": "id",
    "task_logs": "chain_execution_id",
    "ocr_executions": "id",
    "ocr_text_boxes": "ocr_execution_id, id",
}
COPY_IMAGES = 1_000
ORM_IMAGES = 40


def rows_of(url: str) -> Lines:
    """All rows of a finished database, ready to be copied into another one."""
    lines: Lines = {}
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, order in TABLES.items():
            query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(
                sql.Identifier(table), sql.SQL(order)
            )
            with cursor.copy(query) as copy:
                lines[table] = [bytes(line) for line in copy]
    return lines


def copy_lines(url: str, lines: Lines) -> float:
    """Seconds to COPY ready lines, as many images a transaction as a poll has."""
    images = len(lines["ocr_executions"])
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO batch_executions (batch_id) VALUES (%s)", (BATCH_ID,))
        connection.commit()
        began = time.monotonic()
        for start in range(0, images, COPY_IMAGES):
            for table in TABLES:
                each = len(lines[table]) // images
                part = lines[table][start * each : (start + COPY_IMAGES) * each]
                query = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                with cursor.copy(query) as copy:
                    copy.write(b"".join(part))
            connection.commit()
        return time.monotonic() - began


class OrmFigures(NamedTuple):
    """Images per second, commits an image, and what a commit took (median, in ms)."""

    images_per_s: float
    commits_per_image: float
    commit_ms: float

    def images_per_s_at(self, commit_ms: float) -> float:
        """The speed there would be if a commit took `commit_ms`."""
        image_s = 1 / self.images_per_s
        return 1 / (image_s + self.commits_per_image * (commit_ms - self.commit_ms) / 1000)


def write_by_orm(url: str) -> OrmFigures:
    """Some images row by row, each row committed and refreshed."""
    commits: list[float] = []
    engine = create_engine(sqlalchemy_url(url))
    with Session(engine) as session:

        def save(row: Any) -> Any:
            session.add(row)
            began = time.monotonic()
            session.commit()
            commits.append(time.monotonic() - began)
            session.refresh(row)
            return row

        save(BatchExecution(batch_id="orm", total_images=ORM_IMAGES))
        commits.clear()
        began = time.monotonic()
        for index in range(ORM_IMAGES):
            chain = save(ChainExecution(chain_id=f"orm-{index}", batch_id="orm", total_tasks=1))
            save(TaskLog(task_id=f"orm-{index}", status="SUCCESS", chain_execution_id=chain.id))
            image = save(OcrExecution(image_path=f"file:///orm/{index}", status="success"))
            for number in range(BOXES):
                box = [[10.5, 20.0], [410.0, 20.5], [410.0, 44.0], [10.0, 44.5]]
                text = f"a line of text, number {number}"
                save(OcrTextBox(ocr_execution_id=image.id, text=text, confidence=0.987, bbox=box))
        took = time.monotonic() - began
    engine.dispose()
    return OrmFigures(
        ORM_IMAGES / took, len(commits) / ORM_IMAGES, 1000 * sorted(commits)[len(commits) // 2]
    )
