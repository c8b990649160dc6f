"""The demonstration: submits sample images to the stack, as a user would."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ocrstream_local.errors import StackError
from ocrstream_local.stack import Layout, Stack
from ocrstream_local.waiting import Say

SAMPLES_SCRIPT = Path("samples") / "make.py"
_TEXT_LENGTH = 200
_REASONS = {"no_text", "undecodable"}


@dataclass(frozen=True)
class Sample:
    """A sample in the manifest; `expect` is `text`, or the reason why it has no text."""

    file: str
    kind: str
    language: str
    expect: str
    contains: list[str]

    def trouble(self, row: Mapping[str, Any] | None) -> str | None:
        """Returns what is wrong with the sample's result, None if it is as expected."""
        if row is None:
            return "is not among the results"
        if self.expect in _REASONS:
            return None if row["reason"] == self.expect else f"not failed with {self.expect}"
        if row["status"] != "SUCCESS":
            return f"not read: {row['reason']}: {row['error']}"
        return None


class Demo:
    """Submits the samples to the stack in `layout`, which it starts if necessary."""

    def __init__(self, layout: Layout, say: Say, console: Console) -> None:
        self._layout = layout
        self._say = say
        self._console = console
        self._stack = Stack(layout, say)
        self._seconds: dict[str, float] = {}

    def run(self, workers: int, engine: str, *, once: bool) -> None:
        """Shows the results, then waits for an interrupt, or, with `once`, checks them and ends.

        At its end it stops the stack, unless the stack ran before. Raises StackError; without
        `once` the processes then keep running for another call.
        """
        began_at = float(os.environ.get("OCRSTREAM_COMMAND_BEGAN_AT") or time.time())
        self._seconds["installation"] = time.time() - began_at
        running = {process.name for process in self._stack.status().running()}
        was_up = {"recorder", "recorder-api", "ingest"} <= running
        keep_running = was_up
        try:
            addresses = self._stack.up(workers, engine)
            self._seconds |= self._stack.seconds
            self._show(addresses, check=engine != "noop")
            self._show_times(time.time() - began_at)
            if not once:
                self._stay(addresses, keep_running=keep_running)
        except StackError as error:
            if once and not was_up:
                raise StackError(f"{error}\nLogs are in {self._layout.logs}") from error
            keep_running = True
            raise self._stack.with_remaining(error, "make demo") from error
        finally:
            if not keep_running:
                self._say(f"{self._stack.down()} processes stopped")

    def _show(self, addresses: Mapping[str, str], *, check: bool) -> None:
        samples = self._make_samples()
        batch_id = self._timed("reading", lambda: self._submit(addresses))
        rows = [
            json.loads(line)
            for line in self._ocrstream(
                addresses, "results", batch_id, "--format", "jsonl"
            ).splitlines()
        ]
        by_name = {Path(row["source_name"]).name: row for row in rows}
        self._show_table(samples, by_name)
        if check:
            troubles = [
                f"{sample.file}: {trouble}"
                for sample in samples
                if (trouble := sample.trouble(by_name.get(sample.file)))
            ]
            if troubles:
                raise StackError(
                    "Not every sample has the expected result:\n" + "\n".join(troubles)
                )
            self._say(f"All {len(samples)} samples have the expected results, in batch {batch_id}")

    def _make_samples(self) -> list[Sample]:
        if not SAMPLES_SCRIPT.exists():
            raise StackError(
                f"There is no {SAMPLES_SCRIPT} here; run the command in the project's folder"
            )
        folder = self._layout.samples
        ran = subprocess.run(
            [sys.executable, str(SAMPLES_SCRIPT), str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise StackError(f"Cannot create the samples: {ran.stderr.strip()[-2000:]}")
        self._say(ran.stdout.strip())
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return [Sample(**entry) for entry in manifest]

    def _submit(self, addresses: Mapping[str, str]) -> str:
        # Its progress bar goes to this command's standard error, where the user sees it.
        output = self._ocrstream(
            addresses,
            *("submit", str(self._layout.samples), "--batch-name", "samples", "--wait", "--json"),
        )
        return json.loads(output.splitlines()[-1])["batch_id"]

    def _ocrstream(self, addresses: Mapping[str, str], *arguments: str) -> str:
        ran = subprocess.run(
            [str(Path(sys.executable).with_name("ocrstream")), *arguments],
            env={**os.environ, **addresses},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        # 1 means that some images failed, which is expected of some samples.
        if ran.returncode not in {0, 1}:
            raise StackError(f"ocrstream {arguments[0]} ended with exit code {ran.returncode}")
        return ran.stdout

    def _timed(self, what: str, work: Any) -> Any:
        began = time.monotonic()
        result = work()
        self._seconds[what] = time.monotonic() - began
        return result

    def _show_table(self, samples: list[Sample], rows: Mapping[str, Any]) -> None:
        table = Table(box=None, expand=True)
        for column in ("sample", "status", "boxes"):
            table.add_column(column, no_wrap=True)
        table.add_column("text or reason", no_wrap=True, overflow="ellipsis", ratio=1)
        for sample in samples:
            row = rows.get(sample.file)
            if row is None:
                table.add_row(sample.file, "missing")
                continue
            text = " ".join(box["text"] for box in row["text_boxes"]) or (
                f"{row['reason']}: {row['error']}"
            )
            table.add_row(
                sample.file,
                row["status"],
                str(len(row["text_boxes"])),
                Text(text[:_TEXT_LENGTH]),
            )
        self._console.print(table)

    def _show_times(self, total_s: float) -> None:
        parts = [f"{name} {seconds:.1f} s" for name, seconds in self._seconds.items()]
        self._say(f"Time: {', '.join(parts)}; {total_s:.1f} s in total")

    def _stay(self, addresses: Mapping[str, str], *, keep_running: bool) -> None:
        self._console.print("\nExplore the stack:")
        self._console.print(f"  {addresses['RECORDER_URL']} is the dashboard")
        for name in ("RECORDER_URL", "INGEST_URL"):
            self._console.print(f"  {addresses[name]}/docs")
        self._console.print("  .venv/bin/ocrstream submit YOUR-IMAGE --wait")
        if keep_running:
            self._console.print("Ctrl-C leaves the stack running, as before; make down stops it.")
        else:
            self._console.print("Ctrl-C stops everything.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self._console.print()
