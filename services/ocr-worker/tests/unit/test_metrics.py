"""Warnings are counted by code, each result once; and what happens to child processes."""

from prometheus_client import REGISTRY

from ocrstream_schemas.events import (
    OcrSucceeded,
    Provenance,
    ResultWarning,
    TaskStarted,
    WarningCode,
)
from ocrstream_worker.child_metrics import ChildMetrics
from ocrstream_worker.metrics import count_warnings


def counted() -> dict[str, float]:
    codes = [*WarningCode, "other"]
    values = {
        str(code): REGISTRY.get_sample_value("ocrstream_worker_warnings_total", {"code": code})
        for code in codes
    }
    return {code: value for code, value in values.items() if value is not None}


def result(*codes: str) -> OcrSucceeded:
    warnings = tuple(ResultWarning(code=code, detail="seen") for code in codes)
    provenance = Provenance(engine="fake", warnings=warnings)
    return OcrSucceeded(chain_id="c", image_path="file:///a", boxes=(), provenance=provenance)


def test_a_result_counts_once_for_each_of_its_codes() -> None:
    before = counted()
    assert set(before) == {
        "unreadable_script",
        "low_confidence",
        "small_text",
        "reduced_resolution",
        "other",
    }
    count_warnings(result())
    count_warnings(result("small_text", "small_text", "low_confidence"))
    count_warnings(result("of_a_newer_worker", "another"))
    count_warnings(TaskStarted(task_id="t", task_name="ocr", chain_id="c"))
    change = {code: value - before[code] for code, value in counted().items()}
    once = ("low_confidence", "small_text", "other")
    assert change == dict.fromkeys(before, 0) | dict.fromkeys(once, 1)


def test_what_happens_to_children_is_counted_for_their_kind() -> None:
    def values(kind: str) -> dict[str, float]:
        names = ("process_restarts_total", "process_recycled_total", "process_busy_seconds_total")
        gauges = ("batch_images_sum", "crash_loop", "process_starved")
        found = {
            name: REGISTRY.get_sample_value(f"ocrstream_worker_{name}", {"process": kind})
            for name in (*names, *gauges)
        }
        return {name: value for name, value in found.items() if value is not None}

    before, others = values("engine"), values("decoder")
    told = ChildMetrics("engine")
    told.batch_started(3)
    told.batch_finished(0.5)
    told.replaced()
    told.recycled()
    told.breaker_changed(True)
    told.starvation_changed(2)
    change = {name: value - before[name] for name, value in values("engine").items()}
    assert list(change.values()) == [1, 1, 0.5, 3, 1, 2]
    assert values("decoder") == others
    told.breaker_changed(False)
    told.starvation_changed(0)
    assert values("engine")["crash_loop"] == values("engine")["process_starved"] == 0
