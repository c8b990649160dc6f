"""The documents list every setting and every metric as the code has them."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from pydantic import AliasChoices

from ocrstream_ingest import metrics as ingest_metrics
from ocrstream_ingest.settings import IngestSettings
from ocrstream_recorder import metrics as recorder_metrics
from ocrstream_recorder.settings import RecorderSettings
from ocrstream_runtime.settings import ENV_PREFIX, ServiceSettings
from ocrstream_worker import metrics as worker_metrics
from ocrstream_worker.settings import WorkerSettings

DOCS = Path(__file__).parents[1] / "docs"


def section(document: str, title: str) -> str:
    """What stands beneath a heading, up to the next one."""
    text = (DOCS / document).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"{document} has no heading {title!r}"
    return found[1]


def settings_of(kind: type[ServiceSettings]) -> dict[str, str]:
    """Each variable with its default, as the tables write it."""
    found: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            variable = str(alias.choices[0])
        else:
            variable = str(alias) if alias else ENV_PREFIX + name.upper()
        if field.is_required():
            found[variable] = "(required)"
        elif field.default == "":
            found[variable] = "(empty)"
        else:
            value = field.default
            found[variable] = f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return found


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Every service", ServiceSettings),
        ("ingest", IngestSettings),
        ("ocr-worker", WorkerSettings),
        ("recorder", RecorderSettings),
    ],
)
def test_every_setting_is_listed_with_its_default(title: str, kind: type[ServiceSettings]) -> None:
    told = re.findall(r"^\| `(\w+)` \| (\S+) \|", section("architecture.md", title), re.M)
    shared = settings_of(ServiceSettings)
    expected = {
        variable: default
        for variable, default in settings_of(kind).items()
        if kind is ServiceSettings or variable not in shared
    }
    assert dict(told) == expected
    assert len(told) == len(expected)


def test_every_metric_is_listed() -> None:
    told = re.findall(r"^\| `(ocrstream_\w+)` \|", section("operations.md", "Metrics"), re.M)
    expected = [
        metric.name + ("_total" if metric.type == "counter" else "")
        for module in (ingest_metrics, worker_metrics, recorder_metrics)
        for found in vars(module).values()
        if isinstance(found, MetricWrapperBase)
        for metric in found.describe()
    ]
    assert sorted(told) == sorted(expected)
