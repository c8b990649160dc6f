"""What the read bench has the database hold, asks for, and has written meanwhile."""

import asyncio
import hashlib
import random
import time
from collections.abc import Iterator
from typing import Any, LiteralString, NamedTuple

from msgspec import structs
from recorder_load import boxes, result

from ocrstream_runtime.kafka import create_producer
from ocrstream_runtime.settings import ServiceSettings
from ocrstream_schemas.codec import encode
from ocrstream_schemas.events import BatchSubmitted, ImageSubmitted, TextBox
from ocrstream_schemas.topics import BATCHES_COMMANDS, IMAGES_SUBMITTED, OCR_RESULTS

IMAGES_A_BATCH = 10_000
"""Of `recorder_load.fill`."""

ASKED_ANEW = "asked"
"""A parameter that the API does not know: with another value each time, no answer is repeated."""

_WORDS: tuple[LiteralString, ...] = (
    "invoice",
    "receipt",
    "total amount",
    "합계 금액",
    "세금계산서",
    "发票号码",
    "合計金額",
    "Straße",
)

_DIFFERENT_IMAGES = 1_000

# The shorter, the smaller the batches, and the more of the machine the producer and Kafka take.
_FEED_INTERVAL_S = 0.05

# One of the eight words, which many boxes have, and eight characters that only this box has.
TEXT: LiteralString = (
    "split_part('" + "|".join(_WORDS) + "', '|', 1 + n %% 8)"
    " || ' ' || substr(md5(o.image_path || n), 1, 8)"
)


class Request(NamedTuple):
    """A path of the recorder's API, and the query's parameters."""

    path: str
    parameters: dict[str, str] | None = None


def requests(kind: str, images: int, seed: int) -> Iterator[Request]:
    """Requests of a kind without end, the same for the same seed."""
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 - a load, no secret
    while True:
        number = chance.randrange(images)
        image_path = f"file:///old/{_md5(f'path{number}')}"
        batch_id = f"old-{number // IMAGES_A_BATCH}"
        match kind:
            case "progress":
                yield Request(f"/v1/batches/{batch_id}")
            case "image":
                yield Request("/v1/images", {"image_path": image_path})
            case "list":
                yield Request(f"/v1/batches/{batch_id}/images", {"limit": "100"})
            case "search":
                # Half of the searches are for what one box has, half for what millions have.
                only = _md5(f"{image_path}{chance.randint(1, 30)}")[:8]
                text = chance.choice((only, chance.choice(_WORDS)))
                yield Request("/v1/search", {"q": text, "limit": "20"})
            case "short search":
                text = chance.choice(("합계", "金", "세금", "号", "合計", "票", "ß", "to", "없다"))
                yield Request("/v1/search", {"q": text, "limit": "20"})
            case _:
                raise ValueError(kind)


async def feed(bootstrap: str, images_per_s: float, for_s: float, name: str) -> int:
    """Produce submissions and results at a constant pace, as one batch called `name`.

    Returns how many images they are of.
    """
    settings = ServiceSettings.model_validate({"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    found = [_boxes(number) for number in range(_DIFFERENT_IMAGES)]
    began = time.monotonic()
    async with create_producer(settings, "bench-feed") as producer:
        await producer.send_and_wait(
            BATCHES_COMMANDS, encode(BatchSubmitted(batch_id=name)), key=name.encode()
        )
        sent = 0
        while (gone_s := time.monotonic() - began) < for_s:
            if sent >= gone_s * images_per_s:
                await asyncio.sleep(_FEED_INTERVAL_S)
                continue
            told = found[sent % len(found)]
            outcome = result(f"{name}-{sent:07}", told, name, sent)
            submission = ImageSubmitted(
                chain_id=outcome.chain_id,
                image_path=outcome.image_path,
                batch_id=name,
                index=sent,
                submitted_at=outcome.submitted_at,
            )
            key = outcome.chain_id.encode()
            await producer.send(IMAGES_SUBMITTED, encode(submission), key=key)
            await producer.send(OCR_RESULTS, encode(outcome), key=key)
            sent += 1
    return sent


def _boxes(image: int) -> tuple[TextBox, ...]:
    """Boxes that say what those of the filled database say, as new documents do."""
    return tuple(
        structs.replace(
            box, text=f"{_WORDS[(number + 1) % len(_WORDS)]} {_md5(f'new {image} {number}')[:8]}"
        )
        for number, box in enumerate(boxes())
    )


def feed_in_process(*arguments: Any) -> None:
    """`feed`, as the target of a process."""
    asyncio.run(feed(*arguments))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
