"""What one event changes in each row it touches."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, cast

import msgspec

from ocrstream_recorder.rules.batch import BatchFields, BatchState
from ocrstream_recorder.rules.canonical_json import canonical_json
from ocrstream_recorder.rules.chain import ChainFields, ChainState
from ocrstream_recorder.rules.description import Description, Source
from ocrstream_recorder.rules.image import ImageState, value_digest
from ocrstream_recorder.rules.provenance import stored_form
from ocrstream_recorder.rules.status import ImageStatus, ProcessStatus
from ocrstream_recorder.rules.task import TaskState
from ocrstream_schemas.events import (
    NO_TEXT_ERROR,
    OCR_TASK_NAME,
    AnyEvent,
    BatchCompleted,
    BatchRetryRequested,
    BatchRevoked,
    BatchSubmitted,
    ImageSubmitted,
    LifecycleEvent,
    OcrEvent,
    OcrFailed,
    OcrSucceeded,
    Provenance,
    Reason,
    Refusal,
    TaskFailed,
    TaskRetried,
    TaskRevoked,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TextBox,
    WorkerSeen,
)
from ocrstream_schemas.ids import ocr_task_id
from ocrstream_schemas.salvage import Salvaged

ERROR_MAX_LENGTH = 512

_CONTEXT = tuple(name for name in ImageSubmitted.__struct_fields__ if hasattr(OcrFailed, name))
"""The fields that a submission has in common with a result."""

ToLocal = Callable[[datetime], datetime]
"""From an instant to the database's zone, without zone."""


class RowChanges(msgspec.Struct, frozen=True):
    """One event as states to be joined into rows. `retry` is a request and no state.

    `fingerprint` is what its record is known by once this is written; None: it is never known.
    """

    task: TaskState | None = None
    chain: ChainState | None = None
    batch: BatchState | None = None
    image: ImageState | None = None
    retry: BatchRetryRequested | None = None
    fingerprint: bytes | None = None


def changes_of(event: AnyEvent, to_local: ToLocal) -> RowChanges:
    """What `event`, as `codec.decode` completes it, changes in each row."""
    match event:
        case ImageSubmitted():
            return _submission(event, to_local)
        case OcrSucceeded() | OcrFailed():
            return _result(event, to_local)
        case BatchSubmitted() | BatchRevoked() | BatchRetryRequested():
            return _command(event, to_local)
        case BatchCompleted():
            raise TypeError("the recorder sends BatchCompleted and reads none")
        case WorkerSeen():
            raise TypeError("WorkerSeen is about no image and is not recorded")
        case _:
            return _lifecycle(event, to_local)


def changes_of_dead_letter(salvaged: Salvaged) -> RowChanges:
    """What a dead-lettered record changes: its chain failed, unless a real outcome is known."""
    chain_id, run = salvaged.chain_id, salvaged.run
    fields = ChainFields(image_index=salvaged.index, image_path=salvaged.image_path)
    return RowChanges(
        task=TaskState(
            salvaged.task_id or ocr_task_id(chain_id, OCR_TASK_NAME, run),
            chain_id,
            salvaged.task_name or OCR_TASK_NAME,
            ProcessStatus.FAILURE,
            run=run,
            error="The record could not be applied and is kept in its dead-letter topic",
            reason=Reason.DEAD_LETTERED,
        ),
        chain=ChainState(
            chain_id,
            salvaged.batch_id,
            run,
            1,
            Description.of(fields, run, Source.LIFECYCLE),
        ),
        batch=None if salvaged.batch_id is None else BatchState(salvaged.batch_id, run=run),
    )


def _submission(event: ImageSubmitted, to_local: ToLocal) -> RowChanges:
    if event.refused is not None:
        return _refusal(event, event.refused, to_local)
    chain_id = cast("str", event.chain_id)  # filled in by codec.decode
    task = TaskState(
        ocr_task_id(chain_id, OCR_TASK_NAME, event.run),
        chain_id,
        OCR_TASK_NAME,
        ProcessStatus.PENDING,
        run=event.run,
    )
    return RowChanges(
        task, _chain(event, Source.SUBMISSION), _batch(event, [], to_local, event.batch_total)
    )


def _refusal(event: ImageSubmitted, refused: Refusal, to_local: ToLocal) -> RowChanges:
    """A refused image is a failed one.

    It describes its chain as a result does, so a submission of the mended file describes it better.
    """
    context: dict[str, Any] = {name: getattr(event, name) for name in _CONTEXT}
    failed = OcrFailed(
        **context,
        task_id=ocr_task_id(context["chain_id"], OCR_TASK_NAME, event.run),
        finished_at=event.submitted_at,
        reason=refused.reason,
        error=refused.error,
    )
    batch = _batch(event, [], to_local, event.batch_total)
    return msgspec.structs.replace(_result(failed, to_local), batch=batch)


def _result(event: OcrEvent, to_local: ToLocal) -> RowChanges:
    error: str | None
    boxes: tuple[TextBox, ...]
    if isinstance(event, OcrFailed):
        reason, error, boxes = event.reason, event.error, ()
    elif event.boxes:
        reason, error, boxes = None, None, event.boxes
    else:
        reason, error, boxes = Reason.NO_TEXT, NO_TEXT_ERROR, ()
    started_at, finished_at = (
        _local(event.started_at, to_local),
        _local(event.finished_at, to_local),
    )
    revoked = reason is Reason.REVOKED
    if reason is None:
        task_status = ProcessStatus.SUCCESS
    else:
        task_status = ProcessStatus.REVOKED if revoked else ProcessStatus.FAILURE
    task = TaskState(
        cast("str", event.task_id),  # filled in by codec.decode
        event.chain_id,
        event.task_name,
        task_status,
        run=event.run,
        attempt=event.attempt,
        highest_attempt=event.attempt,
        error=_cut(error),
        reason=reason,
        started_at=started_at,
        finished_at=finished_at,
        worker=event.worker,
    )
    status = ImageStatus.SUCCESS if reason is None else ImageStatus.FAILED
    provenance = None if event.provenance is None else stored_form(event.provenance, event.attempt)
    image = ImageState(
        event.image_path,
        to_local(cast("datetime", event.submitted_at)),  # filled in by codec.decode
        event.run,
        event.chain_id,
        status,
        value_digest(error, reason, event.public_path, boxes, provenance),
        error,
        reason,
        event.public_path,
        boxes,
        provenance,
        _warning_codes(event.provenance),
    )
    return RowChanges(
        task,
        _chain(event, Source.RESULT),
        _batch(event, [started_at, finished_at], to_local),
        None if revoked else image,
    )


def _warning_codes(provenance: Provenance | None) -> tuple[str, ...]:
    """The codes of its warnings, each once."""
    if provenance is None:
        return ()
    return tuple(dict.fromkeys(warning.code for warning in provenance.warnings))


def _lifecycle(event: LifecycleEvent, to_local: ToLocal) -> RowChanges:
    status, error, reason = ProcessStatus.PENDING, None, None
    started_at = finished_at = None
    if not isinstance(event, TaskSubmitted):
        started_at = _local(event.started_at, to_local)
    if isinstance(event, TaskSucceeded | TaskFailed | TaskRevoked):
        finished_at = _local(event.finished_at, to_local)
    match event:
        case TaskSubmitted():
            pass
        case TaskStarted():
            status = ProcessStatus.STARTED
        case TaskRetried():
            status, error, reason = ProcessStatus.RETRY, event.error, event.reason
        case TaskSucceeded():
            status = ProcessStatus.SUCCESS
        case TaskFailed():
            revoked = event.reason is Reason.REVOKED
            status = ProcessStatus.REVOKED if revoked else ProcessStatus.FAILURE
            error, reason = event.error, event.reason
        case TaskRevoked():
            status, error, reason = ProcessStatus.REVOKED, event.error, Reason.REVOKED
    task = TaskState(
        event.task_id,
        event.chain_id,
        event.task_name,
        status,
        run=event.run,
        attempt=event.attempt,
        highest_attempt=event.attempt,
        error=_cut(error),
        reason=reason,
        started_at=started_at,
        finished_at=finished_at,
        worker=event.worker,
    )
    return RowChanges(
        task, _chain(event, Source.LIFECYCLE), _batch(event, [started_at, finished_at], to_local)
    )


def _command(
    event: BatchSubmitted | BatchRevoked | BatchRetryRequested, to_local: ToLocal
) -> RowChanges:
    match event:
        case BatchSubmitted():
            moment = _local(event.submitted_at, to_local)
            fields = BatchFields(
                event.batch_name,
                event.initiated_by,
                canonical_json(event.options),
                canonical_json(event.input_data),
                event.chunk_size,
            )
            return RowChanges(
                batch=BatchState(
                    event.batch_id,
                    announced_total=event.total_images,
                    first_at=moment,
                    last_at=moment,
                    description=Description.of(fields, 1, Source.ANNOUNCEMENT),
                )
            )
        case BatchRevoked():
            moment = _local(event.revoked_at, to_local)
            return RowChanges(
                batch=BatchState(
                    event.batch_id, revoked_run=event.run, first_at=moment, last_at=moment
                )
            )
        case BatchRetryRequested():
            # It has no time: the batch goes on when an image is submitted again, if one is.
            return RowChanges(batch=BatchState(event.batch_id), retry=event)


_ImageEvent = ImageSubmitted | LifecycleEvent | OcrEvent
_fields_of: Callable[[_ImageEvent], tuple[Any, ...]] = attrgetter(
    *("chain_name", "initiated_by", "index", "image_path", "public_path", "source_name", "page")
)
"""All of ChainFields but the options, in its order; several times as fast as one by one."""


def _chain(event: _ImageEvent, source: Source) -> ChainState:
    fields = ChainFields._make((*_fields_of(event), canonical_json(event.options)))
    return ChainState(
        cast("str", event.chain_id),
        event.batch_id,
        event.run,
        event.total_tasks or 1,
        Description.of(fields, event.run, source),
    )


def _batch(
    event: _ImageEvent,
    moments: list[datetime | None],
    to_local: ToLocal,
    hinted_total: int | None = None,
) -> BatchState | None:
    if event.batch_id is None:
        return None
    submitted_at = _local(event.submitted_at, to_local)
    known = [moment for moment in (submitted_at, *moments) if moment]
    return BatchState(
        event.batch_id,
        hinted_total=hinted_total,
        run=event.run,
        first_at=min(known, default=None),
        last_at=max(known, default=None),
        run_began_at=submitted_at,
    )


def _local(moment: datetime | None, to_local: ToLocal) -> datetime | None:
    return None if moment is None else to_local(moment)


def _cut(error: str | None) -> str | None:
    if error is None or len(error) <= ERROR_MAX_LENGTH:
        return error
    return error[: ERROR_MAX_LENGTH - 1] + "…"
