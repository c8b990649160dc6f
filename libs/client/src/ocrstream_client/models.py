"""Typed models of the APIs' responses; they ignore fields that a newer system adds."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


class _Model:
    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds the model from an API's JSON object."""
        names = [field.name for field in fields(cls)]  # pyright: ignore[reportArgumentType]
        return cls(**{name: item[name] for name in names})


@dataclass(frozen=True)
class BatchStatus(_Model):
    """The status of a batch; `progress` is 0 to 100, times are in RFC 3339."""

    batch_id: str
    batch_name: str | None
    status: str
    progress: float
    total_known: bool
    total_images: int
    completed_images: int
    failed_images: int
    revoked_images: int
    started_at: str | None
    finished_at: str | None

    @property
    def ended(self) -> bool:
        """Whether every image has an outcome."""
        return self.status in ENDED

    @property
    def all_read(self) -> bool:
        """Whether no image has failed or been cancelled."""
        return not (self.failed_images or self.revoked_images)

    @property
    def done_images(self) -> int:
        """How many images have an outcome."""
        return self.completed_images + self.failed_images + self.revoked_images


@dataclass(frozen=True)
class RefusedFile:
    """A file of a submission that is not stored; its image has failed with this reason and error.

    `source_name` is the name that was submitted.
    """

    source_name: str
    reason: str
    error: str


@dataclass(frozen=True)
class TextBox(_Model):
    """A box of text; `bbox` is its polygon, four `[x, y]` in the original image's pixels.

    `confidence` is 0 to 1.
    """

    text: str
    confidence: float
    bbox: list[list[float]]


@dataclass(frozen=True)
class Image:
    """An image of a batch, with its outcome and its text.

    `status` is SUCCESS, FAILURE or REVOKED once the image is done; `reason` and `error` say why it
    was not read. `index` is its position in the batch, `source_name` the path of its file, relative
    to what was submitted, `page` its page in a document, from 1. `boxes` are in reading order.
    `warnings` are codes that say why the text may be wrong. `provenance` names what read the image,
    if that is known; it comes with the boxes.
    """

    image_path: str | None
    public_path: str | None
    chain_id: str
    index: int | None
    run: int
    status: str
    reason: str | None
    error: str | None
    source_name: str | None
    page: int | None
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] | None = None
    boxes: tuple[TextBox, ...] = ()

    @classmethod
    def from_json(cls, item: Mapping[str, Any], result: Mapping[str, Any]) -> Self:
        """Builds the image from its JSON in the batch and from its result, which may be empty.

        An older recorder returns neither warnings nor provenance.
        """
        optional = {"warnings", "provenance", "boxes"}
        names = [field.name for field in fields(cls) if field.name not in optional]
        return cls(
            **{name: item[name] for name in names},
            warnings=tuple(item.get("warnings", ())),
            provenance=result.get("provenance"),
            boxes=tuple(map(TextBox.from_json, result.get("text_boxes", ()))),
        )

    @property
    def text(self) -> str:
        """The texts of all boxes, one per line."""
        return "\n".join(box.text for box in self.boxes)

    @property
    def read(self) -> bool:
        """Whether it was read."""
        return self.status == "SUCCESS"


@dataclass(frozen=True)
class FailureGroup:
    """The images of a batch that were not read for one reason; `examples` are some of them.

    `status` is FAILURE or REVOKED, `images` their number.
    """

    status: str
    reason: str | None
    images: int
    examples: tuple[Image, ...]

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds it from the recorder's JSON."""
        examples = tuple(Image.from_json(example, {}) for example in item["examples"])
        return cls(item["status"], item["reason"], item["images"], examples)


@dataclass(frozen=True)
class Readiness:
    """What a service reports about itself: its name, its checks, and why those fail that do.

    `service` is None for a service from before it stated its name.
    """

    service: str | None
    checks: tuple[str, ...]
    troubles: Mapping[str, str]

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds it from the service's JSON."""
        return cls(item.get("service"), tuple(item.get("checks", ())), dict(item["troubles"]))


@dataclass(frozen=True)
class Worker(_Model):
    """A worker, as its last heartbeat described it; `images_per_s` is over the last minute.

    `alive` means that its heartbeats are recent and it has not `stopped`, `ready` that its engine
    accepts images. `images_done` counts since `started_at`.
    """

    worker: str
    alive: bool
    ready: bool
    stopped: bool
    host: str
    engine: str
    versions: dict[str, str]
    device: str
    lanes: list[str]
    images_in_flight: int
    images_done: int
    images_per_s: float
    started_at: str
    last_seen_at: str

    @property
    def state(self) -> str:
        """Its state in one word."""
        if self.stopped:
            return "stopped"
        if not self.alive:
            return "silent"
        return "ready" if self.ready else "not ready"


@dataclass(frozen=True)
class DeadLetter(_Model):
    """A record that the recorder could not apply, with its first topic, partition and offset.

    `state` is open, redriven or dropped. `chain_id` and `batch_id` are those in the record, if any.
    """

    id: int
    state: str
    topic: str
    partition: int
    offset: int
    timestamp: str
    reason: str
    error: str
    chain_id: str | None
    batch_id: str | None
    redrives: int
    created_at: str
    updated_at: str


@dataclass(frozen=True)
class NotDone(_Model):
    """A dead letter that was not changed, and why."""

    id: int
    detail: str


@dataclass(frozen=True)
class Selected(_Model):
    """How many images a reprocessing would send, and how many boxes they have."""

    images: int
    boxes: int


@dataclass(frozen=True)
class Reprocessing(_Model):
    """A reprocessing and how far it is; `batch_id` None: of all images.

    `images` were sent so far, with `boxes` boxes that are kept; of these images some were read,
    and some failed or were cancelled. `state`: sending or sent.
    """

    request_id: str
    batch_id: str | None
    where: str | None
    lane: str | None
    state: str
    requested_at: str
    images: int
    boxes: int
    read_images: int
    failed_images: int

    @property
    def done_images(self) -> int:
        """How many images have an outcome."""
        return self.read_images + self.failed_images

    @property
    def ended(self) -> bool:
        """Whether all were sent and have an outcome."""
        return self.state == "sent" and self.done_images == self.images


@dataclass(frozen=True)
class ResultVersion:
    """One result of an image; `status` is success or failed, `boxes` are in reading order."""

    chain_id: str | None
    run: int
    status: str | None
    reason: str | None
    error: str | None
    submitted_at: str | None
    boxes: tuple[TextBox, ...]

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds it from the recorder's JSON."""
        names = [field.name for field in fields(cls) if field.name != "boxes"]
        boxes = tuple(map(TextBox.from_json, item["text_boxes"]))
        return cls(**{name: item[name] for name in names}, boxes=boxes)

    @property
    def text(self) -> str:
        """The texts of all boxes, one per line."""
        return "\n".join(box.text for box in self.boxes)

    @property
    def read(self) -> bool:
        """Whether it was read."""
        return self.status == "success"

    @property
    def confidence(self) -> float | None:
        """The mean of its boxes'; None if there is none."""
        confidences = [box.confidence for box in self.boxes]
        return sum(confidences) / len(confidences) if confidences else None


@dataclass(frozen=True)
class ResultVersions:
    """What an image said before it was reprocessed, and after; `new` None: not reprocessed yet."""

    image_path: str
    index: int | None
    source_name: str | None
    page: int | None
    request_id: str
    requested_at: str
    old: ResultVersion
    new: ResultVersion | None

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds it from the recorder's JSON."""
        names = [field.name for field in fields(cls) if field.name not in {"old", "new"}]
        new = None if item["new"] is None else ResultVersion.from_json(item["new"])
        told = {name: item[name] for name in names}
        return cls(**told, old=ResultVersion.from_json(item["old"]), new=new)


@dataclass(frozen=True)
class SearchHit:
    """An image whose newest result contains the searched text.

    `source_name` and `page` are those of `Image`. `boxes` are those that contain the text, in
    reading order.
    """

    image_path: str
    public_path: str | None
    chain_id: str | None
    batch_id: str | None
    index: int | None
    source_name: str | None
    page: int | None
    boxes: tuple[TextBox, ...]

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Builds it from the recorder's JSON."""
        names = [field.name for field in fields(cls) if field.name != "boxes"]
        boxes = tuple(map(TextBox.from_json, item["text_boxes"]))
        return cls(**{name: item[name] for name in names}, boxes=boxes)
