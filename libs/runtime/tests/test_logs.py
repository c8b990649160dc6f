import json
import subprocess
import sys

SCRIPT = """
import logging, structlog
from ocrstream_runtime.logs import configure_logs
configure_logs("a-service", "INFO")
structlog.get_logger("ours").info("said", count=3)
logging.getLogger("theirs").warning("warned %s", "twice", extra={"extra": 1})
logging.getLogger("aiokafka").info("chatter")
structlog.get_logger("ours").debug("detail")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("failed")
"""


def test_all_loggers_write_json_lines() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert ran.stdout == ""
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("said", "info", "ours"),
        ("warned twice", "warning", "theirs"),
        ("failed", "error", "ours"),
    ]
    assert lines[0]["count"] == 3
    assert lines[1]["extra"] == 1
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert all(line["service"] == "a-service" and line["timestamp"] for line in lines)
