"""What a bench found: a table for people, a JSON file for programs."""

import json
import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One measure. `ratio` is value to baseline; `target` is for the ratio, or else the value."""

    measure: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None


def say(line: str) -> None:
    """Tell how far the bench is; the figures alone go to standard output."""
    print(line, file=sys.stderr, flush=True)


def plain(measure: str, unit: str, values: list[float], baselines: list[float]) -> Row:
    """Medians of interleaved rounds and their ratio, of which nothing is asked."""
    value, baseline = statistics.median(values), statistics.median(baselines)
    return Row(measure, round(value, 2), unit, round(baseline, 2), round(value / baseline, 3))


def at_least(
    target: float, measure: str, unit: str, values: list[float], baselines: list[float]
) -> Row:
    """Medians of interleaved rounds, whose ratio must reach `target`."""
    row = plain(measure, unit, values, baselines)
    return replace(row, target=target, met=row.ratio is not None and row.ratio >= target)


def at_most(
    target: float, measure: str, unit: str, values: list[float], baselines: list[float]
) -> Row:
    """Medians of interleaved rounds, whose ratio must not exceed `target`."""
    row = plain(f"{measure} (at most)", unit, values, baselines)
    return replace(row, target=target, met=row.ratio is not None and row.ratio <= target)


def limited(target: float, measure: str, unit: str, value: float) -> Row:
    """A value that must not exceed `target`."""
    return Row(f"{measure} (at most)", round(value, 2), unit, target=target, met=value <= target)


def reaching(target: float, measure: str, unit: str, value: float) -> Row:
    """A value that must not fall short of `target`."""
    return Row(measure, round(value, 2), unit, target=target, met=value >= target)


def machine() -> str:
    """What the figures were measured on."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {gib:.0f} GiB,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def publish(
    name: str, rows: list[Row], *notes: str, device: str | None = None, keep: bool = True
) -> None:
    """Print the table and the notes; `keep`: also write `bench/results/<name>.json`.

    `device`: the GPU that was measured, if one was.
    """
    table = Table("measure", "value", "unit", "baseline", "ratio", "target", "met")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in asdict(row).values()))
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)
    if keep:
        write(name, rows, device)


def write(name: str, rows: list[Row], device: str | None = None) -> None:
    """Write `bench/results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    measured_on = f"{device}, {machine()}" if device else machine()
    content = {"machine": measured_on, "rows": [asdict(row) for row in rows]}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
