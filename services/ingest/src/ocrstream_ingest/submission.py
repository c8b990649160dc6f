"""A batch on its way to the broker: what is told of it and of each of its images."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ocrstream_ingest.models import BatchDescription
from ocrstream_ingest.publisher import Record, command_record, image_headers, image_record
from ocrstream_runtime.problems import Problem
from ocrstream_schemas.batch_options import IMAGE_OPTIONS, lane_of
from ocrstream_schemas.codec import InvalidRecord, check_open_fields, encode
from ocrstream_schemas.events import BatchSubmitted, Event, ImageSubmitted
from ocrstream_schemas.ids import RecordRef, derive_chain_id
from ocrstream_schemas.topics import lane_topic

# With a batch no coordinates go into a chain's id.
_NO_RECORD = RecordRef("", 0, 0, 0)


class Submission:
    """Makes the records of one batch; the same description, id and time make the same events."""

    def __init__(self, told: BatchDescription, batch_id: str, submitted_at: datetime) -> None:
        self.batch_id = batch_id
        self._told = told
        self._submitted_at = submitted_at
        self._headers = image_headers()
        self._image_options = {
            name: content for name, content in (told.options or {}).items() if name in IMAGE_OPTIONS
        }

    @property
    def topic(self) -> str:
        """Where the batch's images go unless they say otherwise."""
        return lane_topic(lane_of(self._told.options))

    def announcement(self, total: int | None) -> Record:
        """The batch, of `total` images; None: not known yet. Raises Problem (413, 422)."""
        event = BatchSubmitted(
            batch_id=self.batch_id,
            batch_name=self._told.batch_name,
            total_images=total,
            chunk_size=self._told.chunk_size,
            initiated_by=self._told.initiated_by,
            options=self._told.options,
            submitted_at=self._submitted_at,
        )
        _check(event, encode(event), "options")
        return command_record(event)

    def image(
        self,
        image_path: str,
        index: int | None,
        *,
        pointer: Callable[[], str],
        by_path: bool = False,
        public_path: str | None = None,
        source_name: str | None = None,
        page: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> Record:
        """One image; `by_path`: its chain is that of its path, whatever its index.

        Raises Problem (413, 422), which names the image by `pointer`.
        """
        chosen = {**self._image_options, **(options or {})} if self._image_options else options
        image = ImageSubmitted(
            image_path=image_path,
            chain_id=self.chain_id(image_path, None if by_path else index),
            batch_id=self.batch_id,
            index=index,
            public_path=public_path,
            source_name=source_name,
            page=page,
            options=chosen,
            initiated_by=self._told.initiated_by,
            total_tasks=self._told.total_tasks,
            submitted_at=self._submitted_at,
        )
        value = encode(image)
        if options is not None or b"\\u0000" in value:
            _check(image, value, pointer())
        return image_record(image, value, self._headers)

    def chain_id(self, image_path: str, index: int | None) -> str:
        """The image's chain."""
        return derive_chain_id(self.batch_id, index, image_path, _NO_RECORD, b"")


def _check(event: Event, value: bytes, pointer: str) -> None:
    try:
        check_open_fields(event, value)
    except InvalidRecord as error:
        raise Problem(
            422,
            "The request breaks its schema",
            f"#/{pointer}: {error}",
            errors=[{"pointer": f"#/{pointer}", "detail": str(error)}],
        ) from error
