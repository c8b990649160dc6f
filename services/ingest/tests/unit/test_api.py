"""Ingest's API with a publisher that keeps what it is given."""

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
import pytest
from fake_publisher import FakePublisher
from pydantic import BaseModel

from ocrstream_ingest import models
from ocrstream_schemas import fields
from ocrstream_schemas.events import Reason, Refusal


def stored(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def read(reference: str) -> bytes:
    return Path(unquote(urlsplit(reference).path)).read_bytes()


async def test_a_list_is_a_batch_with_places(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    body = {"batch_name": "n", "images": [{"image_path": "file:///a"}, {"image_path": "s3://b/c"}]}
    answer = await api.post("/v1/batches", json=body)
    assert answer.status_code == 202
    assert answer.json()["total_images"] == answer.json()["accepted_images"] == 2
    assert [image.index for image in publisher.images] == [0, 1]
    assert {image.batch_id for image in publisher.images} == {answer.json()["batch_id"]}
    assert (publisher.batches[0].total_images, publisher.batches[0].batch_name) == (2, "n")


async def test_the_same_request_again_means_the_same_images(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    body = {"batch_id": "b", "batch_total": 9, "images": [{"image_path": "file:///a", "index": 4}]}
    for _ in range(2):
        assert (await api.post("/v1/batches", json=body)).status_code == 202
    first, second = publisher.images
    assert first.chain_id == second.chain_id
    assert (first.index, publisher.batches[0].total_images) == (4, 9)


async def test_a_named_batch_may_grow_without_places_colliding(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    for name in ("a", "b"):
        body = {"batch_id": "b", "images": [{"image_path": f"file:///{name}"}]}
        assert (await api.post("/v1/batches", json=body)).status_code == 202
    assert publisher.images[0].chain_id != publisher.images[1].chain_id
    assert [image.index for image in publisher.images] == [None, None]


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"images": []}, "#/images"),
        ({"images": [], "batch_id": "b"}, "#/images"),
        ({"images": [{"image_path": "no-url"}]}, "#/images/0/image_path"),
        ({"images": [{"image_path": "file:///" + "a" * 248}]}, "#/images/0/image_path"),
        ({"images": [{"image_path": "file:///a\0"}]}, "#/images/0/image_path"),
        ({"images": [{"image_path": "file:///a", "index": -1}]}, "#/images/0/index"),
        ({"images": [{"image_path": "file:///a", "options": nested(65)}]}, "#/images/0/options"),
        ({"options": {"k": "a\0"}}, "#/options"),
        ({"batch_id": ""}, "#/batch_id"),
        ({"typo": 1}, "#/typo"),
    ],
)
async def test_what_breaks_the_contract_is_refused_with_its_place(
    api: httpx.AsyncClient, publisher: FakePublisher, change: dict[str, Any], pointer: str
) -> None:
    answer = await api.post("/v1/batches", json={"images": [{"image_path": "file:///a"}], **change})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not publisher.images


async def test_a_producer_may_refuse_an_image_itself(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    why = {"reason": "not_found", "error": "gone"}
    image = {"image_path": "refused:///b/7", "index": 7, "refused": why}
    assert (await api.post("/v1/batches", json={"images": [image]})).status_code == 202
    line = msgspec.json.encode(image)
    ndjson = {"content-type": "application/x-ndjson"}
    assert (await api.post("/v1/batches", content=line, headers=ndjson)).status_code == 202
    assert len(publisher.images) == 2
    for one in publisher.images:
        assert one.refused == Refusal(reason=Reason.NOT_FOUND, error="gone")
    unknown = {**image, "refused": {**why, "reason": "dislike"}}
    answer = await api.post("/v1/batches", json={"images": [unknown]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/images/0/refused/reason"


async def test_uploads_are_kept_as_they_are(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    contents = [b"\x89PNG one", b"", b"two\0\r\n--"]
    names = ["a b.PNG", "../../etc/passwd", "ünï\u202e.jpeg"]
    files = [("files", (name, data)) for name, data in zip(names, contents, strict=True)]
    answer = await api.post("/v1/images", files=files, data={"batch_name": "n"})
    assert answer.status_code == 202, answer.text
    assert [read(image.image_path) for image in publisher.images] == contents
    stored_names = ["a b.PNG", "passwd", "ünï\u202e.jpeg"]
    assert [image.source_name for image in publisher.images] == stored_names
    assert [image.index for image in publisher.images] == [0, 1, 2]
    assert publisher.images[0].image_path.endswith(".png")
    assert [image["index"] for image in answer.json()["images"]] == [0, 1, 2]
    assert publisher.batches[0].total_images == 3


async def test_a_batch_can_be_uploaded_whose_total_only_its_end_tells(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    form = {"batch_id": "b", "first_index": "0", "batch_open": "true"}
    answer = await api.post("/v1/images", files=[("files", ("a.png", b"1"))], data=form)
    assert (answer.status_code, answer.json()["total_images"]) == (202, None)
    body = {"batch_id": "b", "batch_total": 1, "images": []}
    answer = await api.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["accepted_images"]) == (202, 0)
    assert len(publisher.images) == 1
    assert [batch.total_images for batch in publisher.batches] == [None, 1]


async def test_a_total_above_the_limit_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    for total, status in ((100_000_000, 202), (100_000_001, 422)):
        body = {"batch_id": "b", "batch_total": total, "images": []}
        answer = await api.post("/v1/batches", json=body)
        assert answer.status_code == status
    assert "#/batch_total" in answer.json()["detail"]
    assert [batch.total_images for batch in publisher.batches] == [100_000_000]


@pytest.mark.parametrize("form", [{}, {"batch_id": "b", "batch_total": "2"}])
async def test_an_open_batch_is_a_named_batch_without_a_total(
    api: httpx.AsyncClient, publisher: FakePublisher, form: dict[str, str]
) -> None:
    answer = await api.post(
        "/v1/images", files=[("files", ("a.png", b"1"))], data={"batch_open": "true", **form}
    )
    assert answer.status_code == 422
    assert not publisher.batches


async def test_submissions_never_share_a_file_unless_they_are_the_same(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    for batch_id, data in (("b", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"1")):
        await api.post(
            "/v1/images",
            files=[("files", ("a.png", data))],
            data={"batch_id": batch_id, "first_index": "0"},
        )
    paths = [image.image_path for image in publisher.images]
    assert paths[0] == paths[1]
    assert len(set(paths)) == 3


async def test_a_file_that_is_too_large_fails_alone(
    api: httpx.AsyncClient, publisher: FakePublisher, tmp_path: Path
) -> None:
    names = {"a.png": b"a", "big.png": b"x" * 200_001, "b.png": b"b", "last.png": b"x" * 190_000}
    form = {"batch_id": "b", "first_index": "5", "batch_total": "9"}
    answer = await api.post(
        "/v1/images", files=[("files", one) for one in names.items()], data=form
    )
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["total_images"], [image["index"] for image in told["images"]]) == (9, [5, 6, 7, 8])
    assert [image["refused"] is None for image in told["images"]] == [True, False, True, True]
    refused = publisher.images[1]
    assert refused.refused is not None
    assert refused.refused.reason == told["images"][1]["refused"]["reason"] == "too_large"
    assert "OCRSTREAM_MAX_UPLOAD_BYTES" in refused.refused.error
    assert (refused.source_name, refused.index) == ("big.png", 6)
    assert refused.image_path.startswith("refused:///b/6-")
    assert [image.refused for image in publisher.images if image is not refused] == [None] * 3
    stored_sizes = {path.stat().st_size for path in stored(tmp_path)}
    assert stored_sizes == {1, 190_000}


async def test_a_request_that_is_too_large_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher, tmp_path: Path
) -> None:
    body = await api.post(
        "/v1/images", files=[("files", (str(i), b"x" * 199_999)) for i in range(3)]
    )
    assert body.status_code == 413
    assert "OCRSTREAM_MAX_REQUEST_BYTES" in body.json()["detail"]
    assert not publisher.images
    assert not list(stored(tmp_path))


def test_models_have_the_contracts_bounds() -> None:
    def bounds(kind: Any) -> dict[str, int]:
        found: dict[str, int] = {}
        while get_origin(kind) is Annotated:
            for one in get_args(kind)[1:]:
                constraints = getattr(one, "metadata", [one])
                for constraint in constraints:
                    for name in ("min_length", "max_length", "ge", "le"):
                        value = getattr(constraint, name, None)
                        if value is not None:
                            found[name] = value
            kind = get_args(kind)[0]
        return found

    for ours, theirs in (
        (models.Identifier, fields.Identifier),
        (models.Reference, fields.Path),
        (models.Name, fields.Name),
        (models.SourceName, fields.SourceName),
        (models.Index, fields.Index),
        (models.PositiveCount, fields.PositiveCount),
    ):
        (meta,) = (one for one in get_args(theirs) if isinstance(one, msgspec.Meta))
        expected = {
            name: value
            for name in ("min_length", "max_length", "ge", "le")
            if (value := getattr(meta, name)) is not None
        }
        assert bounds(ours) == expected


REQUESTS = [
    model
    for model in vars(models).values()
    if isinstance(model, type)
    and issubclass(model, BaseModel)
    and model.model_config.get("extra") == "forbid"
]
REQUIRED: dict[str, Any] = {
    "image_path": "s3://b/a.png",
    "images": [{"image_path": "s3://b/a.png"}],
    "prefix": "s3://b/",
    "files": [b""],
    "reason": "undecodable",
    "error": "why",
}


@pytest.mark.parametrize("model", REQUESTS)
def test_null_means_that_nothing_is_told(model: type[BaseModel]) -> None:
    """As in the events."""
    fields = model.model_fields
    required = {name: REQUIRED[name] for name, field in fields.items() if field.is_required()}
    described = model.model_json_schema()["properties"]
    for name in fields.keys() - required.keys():
        nothing = model.model_validate(required)
        assert model.model_validate({**required, name: None}) == nothing, name
        assert {"type": "null"} in described[name]["anyOf"], name


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": "tomorrow"},
        {"deadline": 1_700_000_000},
        {"webhook_url": "ftp://example.com"},
        {"webhook_url": "https://user:secret@example.com/hook"},
    ],
)
async def test_an_option_that_cannot_be_acted_on_is_refused(
    api: httpx.AsyncClient, publisher: FakePublisher, options: dict[str, Any]
) -> None:
    request = {"images": [{"image_path": "file:///a.png"}], "options": options}
    answer = await api.post("/v1/batches", json=request)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/options"
    assert next(iter(options)) in answer.json()["detail"]
    assert "secret" not in answer.text
    assert not publisher.batches


async def test_options_that_are_acted_on_are_passed_on(
    api: httpx.AsyncClient, publisher: FakePublisher
) -> None:
    options = {
        "deadline": "2030-01-31T18:00:00+02:00",
        "webhook_url": "https://example.com/hook?token=x",
        "anything": {"else": 1},
    }
    request = {"images": [{"image_path": "file:///a.png"}], "options": options}
    assert (await api.post("/v1/batches", json=request)).status_code == 202
    assert publisher.batches[0].options == options
