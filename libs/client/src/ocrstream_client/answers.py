"""What the system answers, typed; fields that a newer system adds are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


class _Answer:
    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From what an API tells of it."""
        names = [field.name for field in fields(cls)]  # pyright: ignore[reportArgumentType]
        return cls(**{name: item[name] for name in names})


@dataclass(frozen=True)
class BatchStatus(_Answer):
    """A batch as the recorder tells it; `progress` is 0 to 100."""

    batch_id: str
    batch_name: str | None
    status: str
    progress: float
    total_known: bool
    total_images: int
    completed_images: int
    failed_images: int
    revoked_images: int

    @property
    def ended(self) -> bool:
        """Whether every image has an outcome."""
        return self.status in ENDED

    @property
    def all_read(self) -> bool:
        """Whether no image has failed or was cancelled."""
        return not (self.failed_images or self.revoked_images)

    @property
    def done_images(self) -> int:
        """Images that have an outcome."""
        return self.completed_images + self.failed_images + self.revoked_images


@dataclass(frozen=True)
class TextBox(_Answer):
    """A piece of text; `bbox` is its polygon, four `[x, y]` in the original image's pixels.

    `confidence` is 0 to 1.
    """

    text: str
    confidence: float
    bbox: list[list[float]]


@dataclass(frozen=True)
class Image:
    """An image of a batch, what became of it and what it says.

    `status` is SUCCESS, FAILURE or REVOKED once it is done; `reason` and `error` say why it was not
    read. `index` is its place in the batch, `source_name` what its file was called, `page` its page
    in a document, from 1. `boxes` are in reading order. `warnings` are codes of why what was read
    may be wrong. `provenance` says what read it, if that is known; it comes with the boxes.
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
    def of(cls, item: Mapping[str, Any], result: Mapping[str, Any]) -> Self:
        """From what the recorder tells of it in its batch, and of the result; empty if not asked.

        A recorder of before tells of no warnings, and of no provenance.
        """
        told = {"warnings", "provenance", "boxes"}
        names = [field.name for field in fields(cls) if field.name not in told]
        return cls(
            **{name: item[name] for name in names},
            warnings=tuple(item.get("warnings", ())),
            provenance=result.get("provenance"),
            boxes=tuple(map(TextBox.of, result.get("text_boxes", ()))),
        )

    @property
    def text(self) -> str:
        """The texts of all boxes, a line each."""
        return "\n".join(box.text for box in self.boxes)

    @property
    def read(self) -> bool:
        """Whether it was read."""
        return self.status == "SUCCESS"


@dataclass(frozen=True)
class Worker(_Answer):
    """A worker as it last told of itself; `images_per_s` is over the last minute.

    `alive`: it was heard of of late and has not `stopped`. `ready`: its engine takes images.
    `images_done` counts since `started_at`.
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
        """How it is, in a word."""
        if self.stopped:
            return "stopped"
        if not self.alive:
            return "silent"
        return "ready" if self.ready else "not ready"


@dataclass(frozen=True)
class DeadLetter(_Answer):
    """A record that could not be applied; topic, partition and offset are those it first had.

    `state`: open, redriven or dropped. Chain and batch are those that it names, if it does.
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
class NotDone(_Answer):
    """A dead letter that it was not done to, and why."""

    id: int
    detail: str


@dataclass(frozen=True)
class Selected(_Answer):
    """How many images a reprocessing would send, and how many boxes they have."""

    images: int
    boxes: int


@dataclass(frozen=True)
class Reprocessing(_Answer):
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
        """Images that have an outcome."""
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
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From what the recorder tells of it."""
        names = [field.name for field in fields(cls) if field.name != "boxes"]
        boxes = tuple(map(TextBox.of, item["text_boxes"]))
        return cls(**{name: item[name] for name in names}, boxes=boxes)

    @property
    def text(self) -> str:
        """The texts of all boxes, a line each."""
        return "\n".join(box.text for box in self.boxes)

    @property
    def read(self) -> bool:
        """Whether it was read."""
        return self.status == "success"

    @property
    def confidence(self) -> float | None:
        """The mean of its boxes'; None if there is none."""
        told = [box.confidence for box in self.boxes]
        return sum(told) / len(told) if told else None


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
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From what the recorder tells of it."""
        names = [field.name for field in fields(cls) if field.name not in {"old", "new"}]
        new = None if item["new"] is None else ResultVersion.of(item["new"])
        told = {name: item[name] for name in names}
        return cls(**told, old=ResultVersion.of(item["old"]), new=new)


@dataclass(frozen=True)
class SearchHit:
    """An image whose newest result has the text that was looked for.

    `source_name` is what its file was called, `page` its page in a document, from 1. `boxes` are
    those that the text was found in, in reading order.
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
    def of(cls, item: Mapping[str, Any]) -> Self:
        """From what the recorder tells of it."""
        names = [field.name for field in fields(cls) if field.name != "boxes"]
        boxes = tuple(map(TextBox.of, item["text_boxes"]))
        return cls(**{name: item[name] for name in names}, boxes=boxes)
