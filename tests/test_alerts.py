"""Dashboard and alert rules ask for metrics that exist, by labels that they have."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import reference
import yaml
from prometheus_client import REGISTRY
from promql_parser import AggregateExpr, Expr, VectorSelector
from promtool import promtool

ROOT = Path(__file__).parents[1]
RULES = ROOT / "deploy" / "prometheus" / "rules" / "ocrstream.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "ocrstream.json"
OPERATIONS = ROOT / "docs" / "operations.md"

# Prometheus adds these to whatever it scrapes.
TARGET_LABELS = {"job", "instance"}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every query, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            found[f"panel {panel['title']}, {target['refId']}"] = target["expr"]
    return found


def series() -> dict[str, set[str]]:
    """The labels of every series that the services expose, by name."""
    assert reference.pages()  # it imports every service's metrics
    found: dict[str, set[str]] = {"up": set()}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        # Families that nothing was counted in yet have no samples but these.
        if metric.type == "histogram":
            for suffix in ("_bucket", "_sum", "_count"):
                found.setdefault(metric.name + suffix, set())
    return found


def nodes(text: str) -> list[Expr]:
    """All that an expression is made of."""
    found: list[Expr] = []
    promql_parser.walk(promql_parser.parse(text), found.append)
    return found


@pytest.mark.parametrize(("where", "text"), expressions().items(), ids=lambda one: str(one)[:40])
def test_a_query_asks_for_what_there_is(where: str, text: str) -> None:
    there = series()
    found = nodes(text)
    selected = {node.name: node for node in found if isinstance(node, VectorSelector)}
    assert selected
    assert selected.keys() <= there.keys(), where
    labels = set[str]().union(*(there[str(name)] for name in selected)) | TARGET_LABELS
    for selector in selected.values():
        assert {one.name for one in selector.matchers.matchers} <= labels, where
    for node in found:
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= labels, where


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(text for where, text in expressions().items() if where.startswith("panel"))
    told = re.findall(r"^\| `(ocrstream_\w+)`", reference.metrics(), re.M)
    # What was staged is what was written, unless rows are missing.
    missing = [name for name in told if name not in shown]
    assert missing == ["ocrstream_recorder_rows_staged_total"]


def test_every_alert_tells_what_to_do() -> None:
    sections = set(re.findall(r"^### (\w+)$", OPERATIONS.read_text(encoding="utf-8"), re.M))
    assert {rule["alert"] for rule in alerts()} == sections
    for rule in alerts():
        anchor = f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook"] == anchor
        assert rule["labels"]["severity"] in {"warning", "critical"}
        labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert labels <= (grouped or TARGET_LABELS), rule["alert"]


@pytest.mark.parametrize(
    ("results", "warned_before", "warned", "fires"),
    [
        (100, 1, 10, True),
        (100, 0, 10, True),
        (100, 8, 10, False),
        (100, 0, 1, False),
        (1, 0, 1, False),
    ],
    ids=["a jump", "a new one", "as ever", "hardly any", "too few to tell"],
)
def test_a_jump_of_a_warnings_share_is_told(
    tmp_path: Path, results: int, warned_before: int, warned: int, *, fires: bool
) -> None:
    """Numbers a minute: for 25 hours as ever, then for an hour."""
    ever, hour = 25 * 60, 60
    warnings = f"0+{warned_before}x{ever} {ever * warned_before + warned}+{warned}x{hour}"
    rows = 'ocrstream_recorder_rows_written_total{table="images"}'
    alert = {
        "exp_labels": {"severity": "warning", "code": "small_text"},
        "exp_annotations": {
            "summary": f"{100 * warned / results:.2g}% of the results of the last hour carry"
            " small_text, over twice as many as before",
            "runbook": "docs/operations.md#warningsjumped",
        },
    }
    expected = {
        "alertname": "WarningsJumped",
        "eval_time": f"{ever + hour}m",
        "exp_alerts": [alert] if fires else [],
    }
    test = {
        "interval": "1m",
        "input_series": [
            {"series": rows, "values": f"0+{results}x{ever + hour + 1}"},
            {
                "series": 'ocrstream_recorder_warnings_total{code="small_text"}',
                "values": warnings,
            },
        ],
        "alert_rule_test": [expected],
    }
    written = tmp_path / "test.yml"
    written.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [test]}))
    ran = subprocess.run(
        [promtool(), "test", "rules", str(written)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_accepts_the_rules() -> None:
    subprocess.run([promtool(), "check", "rules", str(RULES)], check=True)
