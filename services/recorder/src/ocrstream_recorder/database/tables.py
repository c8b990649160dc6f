"""The tables that may be taken over, name for name, and the recorder's own.

Rows that were there before the recorder took the database over have run 0. Columns after the
comment `the recorder's` hold what the state rules need to fold further events into the row.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Computed,
    DateTime,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from ocrstream_recorder.database.executions import BatchMethods, ChainMethods
from ocrstream_recorder.database.provenance import ENGINE, WARNED

UTC_NOW = text("timezone('utc', now())")
NOW = text("now()")

# What few rows are at a time; most of them wait, or succeeded.
_RARE = text("status <> 'PENDING' AND status <> 'SUCCESS'")


class Base(DeclarativeBase):
    """Base of all tables."""


class _Timestamps:
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)


def _counter(default: int = 0) -> Mapped[int]:
    return mapped_column(Integer, server_default=text(str(default)))


class BatchExecution(BatchMethods, _Timestamps, Base):
    """A batch of images."""

    __tablename__ = "batch_executions"

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    batch_name: Mapped[str | None] = mapped_column(String(255), index=True)
    status: Mapped[str] = mapped_column(String(20), server_default="PENDING", index=True)
    total_images: Mapped[int] = _counter()
    completed_images: Mapped[int] = _counter()
    failed_images: Mapped[int] = _counter()
    total_chunks: Mapped[int] = _counter()
    completed_chunks: Mapped[int] = _counter()
    failed_chunks: Mapped[int] = _counter()
    chunk_size: Mapped[int] = _counter(10)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    initiated_by: Mapped[str | None] = mapped_column(String(100))
    input_data: Mapped[Any | None] = mapped_column(JSON)
    options: Mapped[Any | None] = mapped_column(JSON)
    final_result: Mapped[Any | None] = mapped_column(JSON)
    error_message: Mapped[str | None] = mapped_column(Text)
    # the recorder's
    total_known: Mapped[bool] = mapped_column(Boolean, server_default=false())
    seen_images: Mapped[int] = _counter()
    revoked_images: Mapped[int] = _counter()
    revision: Mapped[int] = _counter()
    ended: Mapped[bool] = mapped_column(Boolean, server_default=false())
    run: Mapped[int] = _counter()
    revoked_run: Mapped[int] = _counter()
    announced_total: Mapped[int | None]
    hinted_total: Mapped[int | None]
    begun_images: Mapped[int] = _counter()
    revoked_chains: Mapped[int] = _counter()
    unindexed_images: Mapped[int] = _counter()
    failed_by_reason: Mapped[Any] = mapped_column(JSON, server_default=text("'{}'"))
    last_event_at: Mapped[datetime | None]
    ranks: Mapped[Any | None] = mapped_column(ARRAY(BigInteger))
    run_began_at: Mapped[datetime | None]
    cancel_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    deadline_run: Mapped[int] = _counter()
    recent_images: Mapped[float] = mapped_column(Double, server_default=text("0"))
    recent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    chain_executions: Mapped[list["ChainExecution"]] = relationship(
        back_populates="batch_execution", cascade="all, delete-orphan"
    )

    __table_args__ = (
        Index("ix_batch_executions_status_started_at", "status", "started_at"),
        Index("ix_batch_executions_batch_name_status", "batch_name", "status"),
        Index("ix_batch_executions_status_id", "status", "id"),
        Index("ix_batch_executions_batch_name_id", "batch_name", "id"),
        Index("ix_batch_executions_initiated_by_id", "initiated_by", "id"),
        Index("ix_batch_executions_started_at", "started_at"),
        Index(
            "ix_batch_executions_cancel_due_at",
            "cancel_due_at",
            postgresql_where=text("cancel_due_at IS NOT NULL"),
        ),
    )


class ChainExecution(ChainMethods, _Timestamps, Base):
    """One image's chain of tasks."""

    __tablename__ = "chain_executions"

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[str] = mapped_column(String(255), index=True)
    celery_task_id: Mapped[str | None] = mapped_column(String(255), index=True)
    chain_name: Mapped[str | None] = mapped_column(String(255), index=True)
    batch_id: Mapped[str | None] = mapped_column(
        String(255), ForeignKey("batch_executions.batch_id"), index=True
    )
    status: Mapped[str] = mapped_column(String(20), server_default="PENDING", index=True)
    total_tasks: Mapped[int] = _counter()
    completed_tasks: Mapped[int] = _counter()
    failed_tasks: Mapped[int] = _counter()
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    initiated_by: Mapped[str | None] = mapped_column(String(100))
    input_data: Mapped[Any | None] = mapped_column(JSON)
    final_result: Mapped[Any | None] = mapped_column(JSON)
    error_message: Mapped[str | None] = mapped_column(Text)
    # the recorder's
    run: Mapped[int] = _counter()
    image_index: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(32))
    ranks: Mapped[Any | None] = mapped_column(ARRAY(BigInteger))
    folded: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)

    batch_execution: Mapped[BatchExecution | None] = relationship(back_populates="chain_executions")
    task_logs: Mapped[list["TaskLog"]] = relationship(
        back_populates="chain_execution", cascade="all, delete-orphan"
    )

    __table_args__ = (
        Index("ix_chain_executions_status_started_at", "status", "started_at"),
        Index("ix_chain_executions_chain_name_status", "chain_name", "status"),
        Index("ix_chain_executions_batch_id_image_index", "batch_id", "image_index", "id"),
        Index(
            "ix_chain_executions_batch_id_status_image_index",
            "batch_id",
            "status",
            "image_index",
            "id",
            postgresql_where=_RARE,
        ),
        Index(
            "ix_chain_executions_batch_id_reason_image_index",
            "batch_id",
            "reason",
            "image_index",
            "id",
            postgresql_where=text("reason IS NOT NULL"),
        ),
        Index(
            "ix_chain_executions_status_id",
            "status",
            "id",
            postgresql_where=_RARE,
        ),
        Index(
            "ix_chain_executions_reason_id",
            "reason",
            "id",
            postgresql_where=text("reason IS NOT NULL"),
        ),
        Index(
            "ix_chain_executions_finished_at",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index(
            "uq_chain_executions_chain_id",
            "chain_id",
            unique=True,
            postgresql_where=text("run > 0"),
        ),
    )


class TaskLog(_Timestamps, Base):
    """One task of a chain."""

    __tablename__ = "task_logs"

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    task_name: Mapped[str | None] = mapped_column(String(255), index=True)
    status: Mapped[str | None] = mapped_column(String(50), index=True)
    error: Mapped[str | None] = mapped_column(String(512))
    started_at: Mapped[datetime | None] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    retries: Mapped[int] = _counter()
    chain_execution_id: Mapped[int | None] = mapped_column(
        ForeignKey("chain_executions.id", ondelete="SET NULL")
    )
    # the recorder's
    run: Mapped[int] = _counter()
    attempt: Mapped[int] = _counter(1)
    reason: Mapped[str | None] = mapped_column(String(32))
    worker: Mapped[str | None] = mapped_column(String(255))

    chain_execution: Mapped[ChainExecution | None] = relationship(back_populates="task_logs")

    __table_args__ = (
        Index("ix_task_logs_task_name_status", "task_name", "status"),
        Index("ix_task_logs_started_at_desc", text("started_at DESC")),
        Index("ix_task_logs_chain_execution_id_status", "chain_execution_id", "status"),
        Index("ix_task_logs_status_id", "status", "id", postgresql_where=_RARE),
        Index(
            "ix_task_logs_reason_id", "reason", "id", postgresql_where=text("reason IS NOT NULL")
        ),
        Index("ix_task_logs_retries", "id", postgresql_where=text("retries > 0")),
    )


class OcrExecution(_Timestamps, Base):
    """The OCR result that holds an image path."""

    __tablename__ = "ocr_executions"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    chain_id: Mapped[str | None] = mapped_column(String(255), index=True)
    image_path: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    public_path: Mapped[str | None] = mapped_column(String(255), unique=True, index=True)
    status: Mapped[str | None] = mapped_column(String(50), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    # the recorder's
    run: Mapped[int] = _counter()
    submitted_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(32))
    value_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    text_box_count: Mapped[int | None]
    provenance: Mapped[Any | None] = mapped_column(JSON)

    text_boxes: Mapped[list["OcrTextBox"]] = relationship(
        back_populates="ocr_execution",
        cascade="all, delete-orphan",
        lazy="selectin",
        order_by="OcrTextBox.id",
    )

    __table_args__ = (
        Index(
            "ix_ocr_executions_reason_id",
            "reason",
            "id",
            postgresql_where=text("reason IS NOT NULL"),
        ),
        Index("ix_ocr_executions_engine_id", text(ENGINE), "id"),
        Index("ix_ocr_executions_warned_id", "id", postgresql_where=text(WARNED)),
        Index("ix_ocr_executions_warned_chain_id", "chain_id", postgresql_where=text(WARNED)),
    )


class OcrTextBox(_Timestamps, Base):
    """One line or word of an image."""

    __tablename__ = "ocr_text_boxes"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ocr_execution_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("ocr_executions.id", ondelete="CASCADE"), index=True
    )
    text: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(Float, index=True)
    bbox: Mapped[Any] = mapped_column(JSON)

    ocr_execution: Mapped[OcrExecution] = relationship(back_populates="text_boxes")


class RecorderOffset(Base):
    """Where the next poll of a partition begins, written in the transaction of the last one."""

    __tablename__ = "recorder_offsets"

    cluster_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    topic: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_offset: Mapped[int] = mapped_column(BigInteger)


class OutboxRecord(Base):
    """A record to be published; deleted when the broker has it."""

    __tablename__ = "recorder_outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(600), unique=True)
    topic: Mapped[str] = mapped_column(String(255))
    key: Mapped[str] = mapped_column(String(255))
    value: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)


class BatchRetry(Base):
    """A retry of a batch, kept so that the same request does nothing again.

    While it is `pending`, the batch's chains after (`after_index`, `after_id`) are still to be
    submitted again.
    """

    __tablename__ = "recorder_retries"

    batch_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)
    pending: Mapped[bool] = mapped_column(Boolean, server_default=false())
    requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    include_no_text: Mapped[bool] = mapped_column(Boolean, server_default=false())
    cancelled_run: Mapped[int] = _counter()
    after_index: Mapped[int | None]
    after_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        Index("ix_recorder_retries_pending", "created_at", postgresql_where=text("pending")),
    )


class BatchReread(Base):
    """A reread that was asked for, of a batch or, without one, of all images.

    While it is `pending`, what comes after (`after_index`, `after_id`) is still to be looked at.
    `images` and `boxes` count what was kept and sent.
    """

    __tablename__ = "recorder_rereads"

    request_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    batch_id: Mapped[str | None] = mapped_column(String(255))
    condition: Mapped[str | None] = mapped_column(Text)
    lane: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)
    pending: Mapped[bool] = mapped_column(Boolean, server_default=false())
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    after_index: Mapped[int | None]
    after_id: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    images: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    boxes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (
        Index("ix_recorder_rereads_pending", "created_at", postgresql_where=text("pending")),
    )


class KeptReading(Base):
    """A result as it was when it was asked to be made anew, by `next_run` of `next_chain_id`.

    Batch and index are those of that chain. The others are as in ocr_executions; `boxes` is a list
    of objects with `text`, `confidence` and `bbox`.
    """

    __tablename__ = "recorder_readings"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    request_id: Mapped[str] = mapped_column(String(255), index=True)
    batch_id: Mapped[str | None] = mapped_column(String(255))
    image_index: Mapped[int | None]
    image_path: Mapped[str] = mapped_column(String(255))
    next_chain_id: Mapped[str] = mapped_column(String(255))
    next_run: Mapped[int]
    chain_id: Mapped[str | None] = mapped_column(Text)
    run: Mapped[int]
    status: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    submitted_at: Mapped[datetime | None]
    boxes: Mapped[Any] = mapped_column(JSON)
    provenance: Mapped[Any | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=UTC_NOW)

    __table_args__ = (
        Index("uq_recorder_readings_next", "next_chain_id", "next_run", unique=True),
        Index("ix_recorder_readings_batch_id_id", "batch_id", "id"),
        Index("ix_recorder_readings_image_path_id", "image_path", "id"),
    )


class WebhookDelivery(Base):
    """One revision of a batch, to be sent to the batch's webhook."""

    __tablename__ = "recorder_webhooks"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(255))
    revision: Mapped[int]
    url: Mapped[str] = mapped_column(Text)
    value: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(20), server_default="pending")
    attempts: Mapped[int] = _counter()
    next_attempt_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), server_default=NOW
    )
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        UniqueConstraint("batch_id", "revision"),
        Index(
            "ix_recorder_webhooks_next_attempt_at",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
    )


class DeadLetter(_Timestamps, Base):
    """A record that could not be applied, by the coordinates that it first had.

    Its key and value are at the `kept_` coordinates. `redrives`: how often it was redriven;
    `failed_redrive`: the last of these that failed again.
    """

    __tablename__ = "recorder_dead_letters"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cluster_id: Mapped[str] = mapped_column(String(255))
    topic: Mapped[str] = mapped_column(String(255))
    partition: Mapped[int]
    origin_offset: Mapped[int] = mapped_column(BigInteger)
    origin_timestamp_ms: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(32))
    error: Mapped[str] = mapped_column(Text)
    chain_id: Mapped[str | None] = mapped_column(String(255))
    batch_id: Mapped[str | None] = mapped_column(String(255))
    kept_topic: Mapped[str] = mapped_column(String(255))
    kept_partition: Mapped[int]
    kept_offset: Mapped[int] = mapped_column(BigInteger)
    redrives: Mapped[int] = _counter()
    failed_redrive: Mapped[int] = _counter()
    dropped: Mapped[bool] = mapped_column(Boolean, server_default=false())
    state: Mapped[str] = mapped_column(
        Text,
        Computed(
            "CASE WHEN dropped THEN 'dropped' WHEN redrives > failed_redrive THEN 'redriven'"
            " ELSE 'open' END",
            persisted=True,
        ),
    )

    __table_args__ = (
        Index(
            "uq_recorder_dead_letters_origin",
            "cluster_id",
            "topic",
            "partition",
            "origin_offset",
            "origin_timestamp_ms",
            unique=True,
        ),
        Index("ix_recorder_dead_letters_topic_state_id", "topic", "state", "id"),
        Index("ix_recorder_dead_letters_batch_id_id", "batch_id", "id"),
    )


class SearchKeys(Base):
    """What an image is searched by; the text itself stands in its boxes alone."""

    __tablename__ = "recorder_search"

    ocr_execution_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("ocr_executions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
    keys: Mapped[list[int]] = mapped_column(ARRAY(Integer))

    __table_args__ = (
        Index(
            "ix_recorder_search_keys",
            "keys",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on"},
        ),
    )


class SearchQueued(Base):
    """An image whose row was written and whose keys are to be made, again; filled by a trigger."""

    __tablename__ = "recorder_search_queue"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ocr_execution_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
