"""Converts a submitted batch and its images into Kafka records."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ocrstream_ingest.models import BatchDescription
from ocrstream_ingest.publisher import Record, command_record, image_headers, image_record
from ocrstream_runtime.errors import ProblemError
from ocrstream_schemas.batch_options import IMAGE_OPTIONS, lane_of
from ocrstream_schemas.codec import check_open_fields, encode
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.events import BatchSubmitted, Event, ImageSubmitted, Refusal
from ocrstream_schemas.ids import RecordRef, derive_chain_id
from ocrstream_schemas.topics import lane_topic

# The chain id of an image with a batch does not depend on the record.
_NO_RECORD = RecordRef("", 0, 0, 0)


class Submission:
    """Creates the records of one batch.

    Equal descriptions, ids and times give equal events, so that a repeated request counts once.
    """

    def __init__(
        self, description: BatchDescription, batch_id: str, submitted_at: datetime
    ) -> None:
        self.batch_id = batch_id
        self._description = description
        self._submitted_at = submitted_at
        self._headers = image_headers()
        self._image_options = {
            name: value
            for name, value in (description.options or {}).items()
            if name in IMAGE_OPTIONS
        }

    @property
    def topic(self) -> str:
        """The topic of images that name no lane themselves."""
        return lane_topic(lane_of(self._description.options))

    def batch_record(self, total: int | None) -> Record:
        """Returns BatchSubmitted with `total` images; None if the total is not known yet.

        Raises ProblemError (413, 422).
        """
        event = BatchSubmitted(
            batch_id=self.batch_id,
            batch_name=self._description.batch_name,
            total_images=total,
            chunk_size=self._description.chunk_size,
            initiated_by=self._description.initiated_by,
            options=self._description.options,
            submitted_at=self._submitted_at,
        )
        _check(event, encode(event), "options")
        return command_record(event)

    def image_record(
        self,
        image_path: str,
        index: int | None,
        *,
        pointer: Callable[[], str],
        chain_by_path: bool = False,
        public_path: str | None = None,
        source_name: str | None = None,
        page: int | None = None,
        options: dict[str, Any] | None = None,
        refused: Refusal | None = None,
    ) -> Record:
        """Returns ImageSubmitted for one image, which has failed if it is `refused`.

        With `chain_by_path` the chain's id depends on the path and not on the index. Raises
        ProblemError (413, 422), which names the image by `pointer`.
        """
        merged = {**self._image_options, **(options or {})} if self._image_options else options
        image = ImageSubmitted(
            image_path=image_path,
            chain_id=self.chain_id(image_path, None if chain_by_path else index),
            batch_id=self.batch_id,
            index=index,
            public_path=public_path,
            source_name=source_name,
            page=page,
            options=merged,
            initiated_by=self._description.initiated_by,
            total_tasks=self._description.total_tasks,
            submitted_at=self._submitted_at,
            refused=refused,
        )
        value = encode(image)
        if options is not None or b"\\u0000" in value:
            _check(image, value, pointer())
        return image_record(image, value, self._headers)

    def chain_id(self, image_path: str, index: int | None) -> str:
        """Returns the id of the image's chain."""
        return derive_chain_id(self.batch_id, index, image_path, _NO_RECORD, b"")


def _check(event: Event, value: bytes, pointer: str) -> None:
    try:
        check_open_fields(event, value)
    except InvalidRecordError as error:
        raise ProblemError(
            422,
            "The request breaks its schema",
            f"#/{pointer}: {error}",
            errors=[{"pointer": f"#/{pointer}", "detail": str(error)}],
        ) from error
