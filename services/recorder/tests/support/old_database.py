"""A database as the Celery system before the recorder left it: its tables, its indexes, its rows.

Times and defaults were set by its application, so the tables have no defaults and counters may be
NULL; it kept its own Alembic revision there, too.
"""

import contextlib
import secrets
from collections.abc import Generator
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql

TABLES: tuple[LiteralString, ...] = (
    "batch_executions",
    "chain_executions",
    "task_logs",
    "ocr_executions",
    "ocr_text_boxes",
)

_TABLES_AND_INDEXES = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('9f3c1d20ab77');

CREATE TABLE batch_executions (
    id SERIAL NOT NULL,
    batch_id VARCHAR(255) NOT NULL,
    batch_name VARCHAR(255),
    status VARCHAR(20),
    total_images INTEGER,
    completed_images INTEGER,
    failed_images INTEGER,
    total_chunks INTEGER,
    completed_chunks INTEGER,
    failed_chunks INTEGER,
    chunk_size INTEGER,
    started_at TIMESTAMP WITHOUT TIME ZONE,
    finished_at TIMESTAMP WITHOUT TIME ZONE,
    initiated_by VARCHAR(100),
    input_data JSON,
    options JSON,
    final_result JSON,
    error_message TEXT,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_batch_executions_batch_id ON batch_executions (batch_id);
CREATE INDEX ix_batch_executions_batch_name ON batch_executions (batch_name);
CREATE INDEX ix_batch_executions_status ON batch_executions (status);
CREATE INDEX ix_batch_executions_status_started_at ON batch_executions (status, started_at);
CREATE INDEX ix_batch_executions_batch_name_status ON batch_executions (batch_name, status);

CREATE TABLE chain_executions (
    id SERIAL NOT NULL,
    chain_id VARCHAR(255) NOT NULL,
    celery_task_id VARCHAR(255),
    chain_name VARCHAR(255),
    batch_id VARCHAR(255),
    status VARCHAR(20),
    total_tasks INTEGER,
    completed_tasks INTEGER,
    failed_tasks INTEGER,
    started_at TIMESTAMP WITHOUT TIME ZONE,
    finished_at TIMESTAMP WITHOUT TIME ZONE,
    initiated_by VARCHAR(100),
    input_data JSON,
    final_result JSON,
    error_message TEXT,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(batch_id) REFERENCES batch_executions (batch_id)
);
CREATE INDEX ix_chain_executions_chain_id ON chain_executions (chain_id);
CREATE INDEX ix_chain_executions_celery_task_id ON chain_executions (celery_task_id);
CREATE INDEX ix_chain_executions_chain_name ON chain_executions (chain_name);
CREATE INDEX ix_chain_executions_batch_id ON chain_executions (batch_id);
CREATE INDEX ix_chain_executions_status ON chain_executions (status);
CREATE INDEX ix_chain_executions_status_started_at ON chain_executions (status, started_at);
CREATE INDEX ix_chain_executions_chain_name_status ON chain_executions (chain_name, status);

CREATE TABLE task_logs (
    id SERIAL NOT NULL,
    task_id VARCHAR(255) NOT NULL,
    task_name VARCHAR(255),
    status VARCHAR(50),
    error VARCHAR(512),
    started_at TIMESTAMP WITHOUT TIME ZONE,
    finished_at TIMESTAMP WITHOUT TIME ZONE,
    retries INTEGER,
    chain_execution_id INTEGER,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(chain_execution_id) REFERENCES chain_executions (id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX ix_task_logs_task_id ON task_logs (task_id);
CREATE INDEX ix_task_logs_task_name ON task_logs (task_name);
CREATE INDEX ix_task_logs_status ON task_logs (status);
CREATE INDEX ix_task_logs_started_at ON task_logs (started_at);
CREATE INDEX ix_task_logs_task_name_status ON task_logs (task_name, status);
CREATE INDEX ix_task_logs_started_at_desc ON task_logs (started_at DESC);
CREATE INDEX ix_task_logs_chain_execution_id_status ON task_logs (chain_execution_id, status);

CREATE TABLE ocr_executions (
    id SERIAL NOT NULL,
    chain_id VARCHAR(255),
    image_path VARCHAR(255) NOT NULL,
    public_path VARCHAR(255),
    status VARCHAR(50),
    error TEXT,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_ocr_executions_chain_id ON ocr_executions (chain_id);
CREATE UNIQUE INDEX ix_ocr_executions_image_path ON ocr_executions (image_path);
CREATE UNIQUE INDEX ix_ocr_executions_public_path ON ocr_executions (public_path);
CREATE INDEX ix_ocr_executions_status ON ocr_executions (status);

CREATE TABLE ocr_text_boxes (
    id SERIAL NOT NULL,
    ocr_execution_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    confidence FLOAT NOT NULL,
    bbox JSON NOT NULL,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(ocr_execution_id) REFERENCES ocr_executions (id) ON DELETE CASCADE
);
CREATE INDEX ix_ocr_text_boxes_ocr_execution_id ON ocr_text_boxes (ocr_execution_id);
CREATE INDEX ix_ocr_text_boxes_confidence ON ocr_text_boxes (confidence);
"""

# Every tenth image failed, every hundredth chain was begun twice under one id, every 50th belongs
# to no batch, every 40th has other data than an image's. Batch 0 is done, 1 half done, 2 hardly
# begun with its counters NULL, 3 failed as a whole, 4 has a status of its time.
_ROWS: tuple[LiteralString, ...] = (
    """
INSERT INTO batch_executions
    (batch_id, batch_name, status, total_images, completed_images, failed_images, total_chunks,
     completed_chunks, failed_chunks, chunk_size, started_at, finished_at, initiated_by, options,
     created_at, updated_at)
VALUES
    ('old-0', 'letters', 'SUCCESS', 100, 100, 0, 10, 10, 0, 10, '2024-06-01 12:00',
     '2024-06-01 12:30', 'scheduler', '{"lang": "de"}', '2024-06-01', '2024-06-02'),
    ('old-1', 'forms', 'STARTED', 100, 40, 2, 10, 4, 0, 10, '2024-06-01 12:00', NULL, 'someone',
     '{"lang": "en"}', '2024-06-01', '2024-06-02'),
    ('old-2', NULL, 'PENDING', 0, 0, 0, 0, 0, 0, 10, NULL, NULL, NULL, NULL, '2024-06-01',
     '2024-06-01'),
    ('old-3', 'plans', 'FAILURE', 10, 4, 6, 1, 0, 1, 10, '2024-06-01 12:00', '2024-06-01 12:10',
     NULL, NULL, '2024-06-01', '2024-06-02'),
    ('old-4', 'maps', 'aborted', 0, 0, 0, 0, 0, 0, 10, NULL, NULL, NULL, 'null', '2024-06-01',
     '2024-06-02')
""",
    """
INSERT INTO chain_executions
    (chain_id, celery_task_id, chain_name, batch_id, status, total_tasks, completed_tasks,
     failed_tasks, started_at, finished_at, initiated_by, input_data, error_message, created_at,
     updated_at)
SELECT 'old-chain-' || i, 'old-task-' || i, 'batch_image_' || i %% 100,
       CASE WHEN i %% 50 <> 0 THEN 'old-' || i %% 4 END,
       CASE WHEN i %% 10 = 0 THEN 'FAILURE' ELSE 'SUCCESS' END, 2,
       2 - (i %% 10 = 0)::int, (i %% 10 = 0)::int,
       timestamp '2024-06-01 12:00' + i * interval '1 second',
       timestamp '2024-06-01 12:01' + i * interval '1 second', 'batch_ocr',
       CASE WHEN i %% 40 = 0 THEN '["none", 1]'::json
            ELSE json_build_object('image_path', '/data/' || i || '.png', 'index', i %% 100) END,
       CASE WHEN i %% 10 = 0 THEN E'gone\\\\ "it" is' END, '2024-06-01', '2024-06-02'
FROM (SELECT generate_series(1, %(images)s) AS i
      UNION ALL SELECT generate_series(100, %(images)s, 100)) AS images
""",
    """
INSERT INTO task_logs
    (task_id, task_name, status, error, started_at, finished_at, retries, chain_execution_id,
     created_at, updated_at)
SELECT 'old-task-' || i || CASE kind WHEN 'ocr' THEN '' ELSE '-' || kind END, kind,
       CASE WHEN i %% 30 = 0 THEN 'RETRY' WHEN i %% 11 <> 0 THEN 'SUCCESS' END,
       CASE WHEN i %% 30 = 0 THEN 'try again' END, timestamp '2024-06-01 12:00:00.123456', NULL,
       i %% 3,
       CASE WHEN i %% 17 <> 0 THEN (SELECT min(id) FROM chain_executions) + i - 1 END, '2024-06-01',
       '2024-06-02'
FROM generate_series(1, %(images)s) AS i, unnest(ARRAY['ocr', 'layout']) AS kind
""",
    """
INSERT INTO ocr_executions
    (chain_id, image_path, public_path, status, error, created_at, updated_at)
SELECT 'old-chain-' || i, '/data/' || i || '.png',
       CASE WHEN i %% 3 = 0 THEN 'https://images/' || i END,
       CASE WHEN i %% 10 = 0 THEN 'failed' ELSE 'success' END,
       CASE WHEN i %% 10 = 0 THEN 'No text boxes extracted' END, '2024-06-01', '2024-06-02'
FROM generate_series(1, %(images)s) AS i
""",
    """
INSERT INTO ocr_text_boxes (ocr_execution_id, text, confidence, bbox, created_at, updated_at)
SELECT o.id, E'line\\t' || o.id || ' of ' || b, 1.0 / b, '[[0,0],[9.50,0],[9.50,4],[0,4]]',
       '2024-06-01', '2024-06-02'
FROM ocr_executions o, generate_series(1, 5) AS b WHERE o.status = 'success'
ORDER BY o.id, b
""",
)

# What its application left unset, where new tables have a default.
_LEFT_NULL: tuple[LiteralString, ...] = (
    """
UPDATE batch_executions SET status = NULL, total_images = NULL, completed_images = NULL,
    failed_images = NULL, total_chunks = NULL, completed_chunks = NULL, failed_chunks = NULL,
    chunk_size = NULL
WHERE batch_id = 'old-2'
""",
    "UPDATE chain_executions SET status = NULL, total_tasks = NULL WHERE id % 7 = 0",
    "UPDATE task_logs SET retries = NULL WHERE id % 13 = 0",
)


@contextlib.contextmanager
def empty_database(postgres_url: str) -> Generator[str]:
    """URL of a fresh database with nothing in it."""
    server = postgres_url.rpartition("/")[0]
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{server}/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def old_database(postgres_url: str, images: int) -> Generator[str]:
    """URL of a fresh database with the old tables and `images` images in them."""
    with empty_database(postgres_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute(_TABLES_AND_INDEXES)
            fill(connection, images)
            for statement in _LEFT_NULL:
                connection.execute(statement)
        yield url


def fill(connection: Connection[Any], images: int) -> None:
    """Rows as the old system wrote them, into its tables or into those of any revision."""
    for statement in _ROWS:
        connection.execute(statement, {"images": images})


def checksums(connection: Connection[Any], columns: dict[str, list[str]]) -> dict[str, str]:
    """By table a checksum over all rows, of the given columns only."""
    found: dict[str, str] = {}
    for table, names in columns.items():
        query = sql.SQL(
            "SELECT count(*) || ' rows ' ||"
            " md5(coalesce(string_agg(md5(r::text), '' ORDER BY r.id), ''))"
            " FROM (SELECT {} FROM {}) AS r"
        ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table))
        row = connection.execute(query).fetchone()
        assert row is not None
        found[table] = row[0]
    return found


def columns_of(connection: Connection[Any]) -> dict[str, list[str]]:
    """The columns that the five tables have now."""
    found: dict[str, list[str]] = {table: [] for table in TABLES}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = ANY(%s) ORDER BY 1, ordinal_position",
        (list(TABLES),),
    ):
        found[table].append(column)
    return found


_COLUMNS: LiteralString = """
SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""
_INDEXES: LiteralString = """
SELECT pg_get_indexdef(indexrelid), indisvalid
FROM pg_index JOIN pg_class c ON c.oid = indrelid
WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
_CONSTRAINTS: LiteralString = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
"""


def schema_of(connection: Connection[Any]) -> dict[str, list[Any]]:
    """Everything in the schema that a revision makes."""
    return {
        "columns": connection.execute(_COLUMNS).fetchall(),
        "indexes": connection.execute(_INDEXES).fetchall(),
        "constraints": connection.execute(_CONSTRAINTS).fetchall(),
    }
