"""The committed contract is what the code says, and no change breaks those who hold to it."""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid5

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from not_run import not_run
from pydantic import ValidationError

from ocrstream_schemas.codec import decode
from ocrstream_schemas.contract.__main__ import ASYNCAPI, files, write
from ocrstream_schemas.contract.compatibility import breaking_changes
from ocrstream_schemas.contract.document import asyncapi
from ocrstream_schemas.contract.examples import EXAMPLES, RECORD, Example
from ocrstream_schemas.contract.schemas import EVENTS, documents
from ocrstream_schemas.errors import InvalidRecordError
from ocrstream_schemas.fields import MAX_BATCH_IMAGES
from ocrstream_schemas.ids import CHAIN_NAMESPACE, TASK_NAMESPACE
from ocrstream_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS

CONTRACT = Path(__file__).parents[1] / "contract"
SCHEMAS = documents()

Change = Callable[[dict[str, Any]], object]


def committed(path: str) -> Any:
    return json.loads((CONTRACT / path).read_text(encoding="utf-8"))


def file_of(example: Example) -> Path:
    kind = type(example.event).__name__
    return CONTRACT / "examples" / example.topic / f"{kind}.{example.name}.json"


def test_the_files_are_what_the_code_says() -> None:
    there = {
        file.relative_to(CONTRACT).as_posix(): file.read_text(encoding="utf-8")
        for file in CONTRACT.rglob("*.json")
    }
    made = files()
    assert there.keys() == made.keys(), "run `make contract`"
    for path, text in made.items():
        assert there[path] == text, f"{path}: run `make contract`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_of_both_dialects(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    Draft7Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.topic}-{one.name}")
def test_an_example_is_what_schema_and_codec_take(example: Example) -> None:
    raw = file_of(example).read_bytes()
    schema = SCHEMAS[type(example.event).__name__]
    Draft202012Validator(schema).validate(json.loads(raw))
    Draft7Validator(schema).validate(json.loads(raw))
    decoded = decode(example.topic, raw, RECORD)
    # Equal but for what a reader completes.
    for field in example.event.__struct_fields__:
        told = getattr(example.event, field)
        if told is not None:
            assert getattr(decoded, field) == told
    assert type(decoded) is type(example.event)


def test_every_event_and_every_topic_has_an_example() -> None:
    assert {type(example.event) for example in EXAMPLES} == set(EVENTS)
    origins = {topic for topic in TOPICS if not topic.endswith(DEAD_LETTER_SUFFIX)}
    assert {example.topic for example in EXAMPLES} == origins


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2**31 - 2, 2**31 - 1, 2**31, 0.5]),
    st.sampled_from(["", "engine", "ImageSubmitted", "ü" * 100, "ü" * 101, "n" * 1024]),
    st.sampled_from(["𝄞" * 255, "𝄞" * 256, "n" * 1025]),
    st.sampled_from([[], {}, [[1, 2]] * 4, {"a": 1}, {"a": 0.5}, {"a": "b"}]),
)


@given(example=st.sampled_from(EXAMPLES), data=st.data())
def test_what_the_schema_takes_the_codec_takes_and_only_that(
    example: Example, data: st.DataObject
) -> None:
    # What a time may look like is told in words, see `components`.
    fields = [name for name in example.event.__struct_fields__ if not name.endswith("_at")]
    field = data.draw(st.sampled_from([*fields, "unheard_of", "type"]))
    value = {**example.payload(), field: data.draw(VALUES)}
    if field in {"batch_total", "total_images"}:
        # The limit of a total is told in words, too.
        assume(not isinstance(value[field], int) or value[field] <= MAX_BATCH_IMAGES)
    if data.draw(st.booleans()):
        del value[field]
    schema = SCHEMAS[type(example.event).__name__]
    try:
        decoded = type(decode(example.topic, json.dumps(value).encode(), RECORD))
    except InvalidRecordError:
        decoded = None
    taken = decoded is type(example.event)
    # Of a topic's only event the codec takes every record without a type.
    if value.get("type") is None and example.topic in {"batches.completed", "workers.heartbeats"}:
        value["type"] = type(example.event).__name__
    assert Draft202012Validator(schema).is_valid(value) == taken


def test_ids_can_be_derived_from_the_words_of_the_document() -> None:
    for one in committed("ids.json"):
        if one["batch_id"] is None:
            continue
        place = one["image_path"] if one["index"] is None else one["index"]
        assert one["chain_id"] == _uuid5(CHAIN_NAMESPACE, [one["batch_id"], place])
        assert one["ocr_task_id"] == _uuid5(TASK_NAMESPACE, [one["chain_id"], "ocr", 1])


def _uuid5(namespace: Any, parts: list[Any]) -> str:
    return str(uuid5(namespace, json.dumps(parts, separators=(",", ":"), ensure_ascii=False)))


def test_the_document_is_asyncapi_and_its_references_lead_somewhere() -> None:
    document = asyncapi()
    ApplicationSchema.model_validate(document)
    with pytest.raises(ValidationError):
        ApplicationSchema.model_validate({**document, "operations": {"x": {"action": "send"}}})

    def check(node: Any) -> None:
        if isinstance(node, dict):
            target: Any = document
            for part in node.get("$ref", "#").split("/")[1:]:
                target = target[part]
            for child in node.values():
                check(child)
        elif isinstance(node, list):
            for child in node:
                check(child)

    check(document)


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return document["components"]["schemas"][name]


def _field(document: dict[str, Any], name: str, field: str) -> dict[str, Any]:
    return _schema(document, name)["properties"][field]


SENT = "(sent to readers of the old contract)"
BREAKING: list[tuple[str, Change]] = [
    (
        "ImageSubmitted.source_name: the field is removed",
        lambda new: _schema(new, "ImageSubmitted")["properties"].pop("source_name"),
    ),
    (
        "ImageSubmitted.chain_id: is required now",
        lambda new: _schema(new, "ImageSubmitted")["required"].append("chain_id"),
    ),
    (
        "ImageSubmitted.image_path: maxLength is 100, was 255",
        lambda new: _field(new, "ImageSubmitted", "image_path").update(maxLength=100),
    ),
    (
        "OcrSucceeded.boxes[].confidence: minimum is 0.5, was 0",
        lambda new: _field(new, "TextBox", "confidence").update(minimum=0.5),
    ),
    (
        "ImageSubmitted.run: was integer, now it must be string",
        lambda new: _field(new, "ImageSubmitted", "run")["anyOf"][0].update(type="string"),
    ),
    (
        "ImageSubmitted.run: was null, now it must be integer",
        lambda new: _field(new, "ImageSubmitted", "run")["anyOf"].pop(),
    ),
    (
        "BatchSubmitted.total_images: was null, now it must be integer",
        lambda new: _field(new, "BatchSubmitted", "total_images")["anyOf"].pop(),
    ),
    (
        "OcrFailed.reason: 'timeout' is no longer a value",
        lambda new: _schema(new, "Reason")["enum"].remove("timeout"),
    ),
    (
        "OcrSucceeded.provenance.versions.*: was string, now it must be integer",
        lambda new: _field(new, "Provenance", "versions")["anyOf"][0].update(
            additionalProperties={"type": "integer"}
        ),
    ),
    (
        f"BatchCompleted.status: was null or string, now it must be string {SENT}",
        lambda new: _field(new, "BatchCompleted", "status").update(type=["null", "string"]),
    ),
    (
        f"BatchCompleted.revision: is required now {SENT}",
        lambda new: _schema(new, "BatchCompleted")["required"].remove("revision"),
    ),
    (
        f"BatchCompleted.batch_name: maxLength is 255, was 300 {SENT}",
        lambda new: _field(new, "BatchCompleted", "batch_name")["anyOf"][0].update(maxLength=300),
    ),
    (
        "images.submitted.gpu: the topic is removed",
        lambda new: new["channels"].pop("images.submitted.gpu"),
    ),
    (
        "tasks.lifecycle: TaskRetried is removed",
        lambda new: new["channels"]["tasks.lifecycle"]["messages"].pop("TaskRetried"),
    ),
    (
        "batches.completed: the system sends BatchRevoked, which readers do not know",
        lambda new: new["channels"]["batches.completed"]["messages"].update(
            BatchRevoked={"$ref": "#/components/messages/BatchRevoked"}
        ),
    ),
    (
        "ocr.results: the maximum size of its records is smaller",
        lambda new: new["channels"]["ocr.results"]["bindings"]["kafka"][
            "topicConfiguration"
        ].update({"max.message.bytes": 1}),
    ),
    (
        "DeadLetter.ocrstream_reason: the field is removed",
        lambda new: new["components"]["messages"]["DeadLetter"]["headers"]["properties"].pop(
            "ocrstream_reason"
        ),
    ),
]

COMPATIBLE: dict[str, Change] = {
    "nothing": lambda new: new,
    "a new optional field": lambda new: _schema(new, "ImageSubmitted")["properties"].update(
        language={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "a wider bound of what is received": lambda new: _field(
        new, "ImageSubmitted", "image_path"
    ).update(maxLength=1000),
    "a further reason to be received": lambda new: _schema(new, "Reason")["enum"].append("asleep"),
    "a field that is always sent": lambda new: (
        _schema(new, "BatchCompleted")["properties"].update(run={"type": "integer"}),
        _schema(new, "BatchCompleted")["required"].append("run"),
    ),
    "a narrower bound of what is sent": lambda new: _field(
        new, "BatchCompleted", "total_images"
    ).update(minimum=1),
    "a new topic": lambda new: new["channels"].update(
        {"images.submitted.v2": new["channels"]["images.submitted"]}
    ),
    "other words": lambda new: _schema(new, "TextBox").update(description="Some text"),
}


@pytest.mark.parametrize(("told", "change"), BREAKING, ids=[told for told, _ in BREAKING])
def test_a_breaking_change_is_told(told: str, change: Change) -> None:
    new = copy.deepcopy(asyncapi())
    change(new)
    assert told in breaking_changes(asyncapi(), new)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_none(name: str) -> None:
    new = copy.deepcopy(asyncapi())
    COMPATIBLE[name](new)
    assert breaking_changes(asyncapi(), new) == []


def test_that_null_is_taken_for_a_field_with_a_default_breaks_nothing() -> None:
    old = asyncapi()
    for name, field in (("ImageSubmitted", "run"), ("TaskFailed", "reason")):
        _schema(old, name)["properties"][field] = _field(old, name, field)["anyOf"][0]
    assert breaking_changes(old, asyncapi()) == []


def test_the_files_are_not_written_over_by_a_breaking_change(tmp_path: Path) -> None:
    assert write(tmp_path) == []
    (tmp_path / "schemas" / "Obsolete.json").write_text("{}")
    assert write(tmp_path) == []
    assert not (tmp_path / "schemas" / "Obsolete.json").exists()
    promised = asyncapi()
    _schema(promised, "ImageSubmitted")["properties"]["colour"] = {"type": "string"}
    before = json.dumps(promised)
    (tmp_path / ASYNCAPI).write_text(before)
    assert write(tmp_path) == ["ImageSubmitted.colour: the field is removed"]
    assert (tmp_path / ASYNCAPI).read_text() == before


def test_the_code_keeps_what_was_committed() -> None:
    """The last two versions: the one that is there, and what its commit may have broken."""
    git = shutil.which("git")
    if git is None:
        not_run("comparison with the committed contract", "there is no git")

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [git, "-C", str(CONTRACT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    commits = ask("log", "--max-count=2", "--format=%H", "--", ASYNCAPI)
    if commits.returncode:
        not_run("comparison with the committed contract", commits.stderr.strip())
    for commit in commits.stdout.split():
        shown = ask("show", f"{commit}:./{ASYNCAPI}")
        assert shown.returncode == 0, shown.stderr
        assert breaking_changes(json.loads(shown.stdout), asyncapi()) == [], (
            f"since commit {commit}"
        )
