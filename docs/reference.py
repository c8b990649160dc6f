"""Writes the pages that the code itself tells: every setting, metric and path.

`make docs` runs it; a test fails while a page is not what this would write.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import http_reference
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from pydantic import AliasChoices

from ocrstream_ingest.settings import IngestSettings
from ocrstream_recorder.settings import DatabaseSettings, RecordingSettings, ServingSettings
from ocrstream_runtime.settings import ENV_PREFIX, ServiceSettings
from ocrstream_worker.settings import WorkerSettings

HERE = Path(__file__).parent
# Imported, they are in the registry.
for module in (
    "ingest.metrics",
    "worker.metrics",
    "recorder.recording_metrics",
    "recorder.serving_metrics",
):
    import_module(f"ocrstream_{module}")


_NOTE = "<!-- Written by `make docs` from the code. -->\n"
_CONFIGURATION = f"""# Configuration

{_NOTE}
All settings come from environment variables. If one is invalid, the service names it and
exits with code 2. The services also read the variables of OpenTelemetry, see
[traces](operations.md#traces).
"""
_METRICS = f"""# Metrics

{_NOTE}
Every service serves its metrics at `/metrics`, in Prometheus' text format. Series with labels
exist from the start. The alerts, and what to do about them, are under
[operations](operations.md#alerts).
"""


def configuration() -> str:
    """The page about settings."""
    shared = dict(_settings(ServiceSettings))
    recorder = shared | dict(_settings(DatabaseSettings))
    parts = [_CONFIGURATION, _settings_table("Every service", shared)]
    for title, kind, told in (
        ("ingest", IngestSettings, shared),
        ("ocr-worker", WorkerSettings, shared),
        ("recorder, both processes", DatabaseSettings, shared),
        ("recorder, recording", RecordingSettings, recorder),
        ("recorder, answering: `ocrstream-recorder serve`", ServingSettings, recorder),
    ):
        own = {name: row for name, row in _settings(kind) if name not in told}
        parts.append(_settings_table(title, own))
    return "\n".join(parts)


def metrics() -> str:
    """The page about metrics."""
    parts = [_METRICS]
    for title, prefix in (
        ("ingest", "ocrstream_ingest_"),
        ("ocr-worker", "ocrstream_worker_"),
        ("recorder", "ocrstream_recorder_"),
    ):
        rows = [
            f"| `{_exposed(one)}` | {one.type} | {one.documentation} |"
            for one in REGISTRY.collect()
            if one.name.startswith(prefix)
        ]
        table = "\n".join(["| metric | type | meaning |", "|---|---|---|", *sorted(rows)])
        parts.append(f"## {title}\n\n{table}\n")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """What the files are to hold."""
    return {
        HERE / "configuration.md": configuration(),
        HERE / "metrics.md": metrics(),
        HERE / "http-reference.md": http_reference.page(),
    }


def _exposed(metric: Metric) -> str:
    return metric.name + ("_total" if metric.type == "counter" else "")


def _settings(kind: type[ServiceSettings]) -> Iterator[tuple[str, str]]:
    schema = kind.model_json_schema(by_alias=False)["properties"]
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            alias = alias.choices[0]
        variable = str(alias) if alias else ENV_PREFIX + name.upper()
        if field.is_required():
            default = "(required)"
        elif str(field.default) == "":
            default = "(empty)"
        elif isinstance(field.default, bool):
            default = f"`{field.default}`".lower()
        else:
            default = f"`{field.default:g}`" if _is_float(field.default) else f"`{field.default}`"
        description = " ".join((field.description or "").split())
        row = f"| `{variable}` | {default} | {_values(schema[name])} | {description} |"
        yield variable, row


def _is_float(value: object) -> bool:
    return isinstance(value, float)


def _values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema["type"] == "boolean":
        return "true, false"
    kind = {"integer": "whole number", "number": "number"}.get(schema["type"])
    if kind is None:
        return "folder" if schema.get("format") == "path" else "text"
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    above = "from" if "minimum" in schema else "above"
    greatest = schema.get("maximum")
    return f"{kind}, {above} {least:,}" + ("" if greatest is None else f" to {greatest:,}")


def _settings_table(title: str, rows: dict[str, str]) -> str:
    head = ["| variable | default | values | meaning |", "|---|---|---|---|"]
    return f"## {title}\n\n" + "\n".join([*head, *rows.values()]) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
