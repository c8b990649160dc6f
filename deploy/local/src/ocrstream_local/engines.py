"""Checks, before anything starts, whether the workers' engine reads the languages."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ocrstream_local import waiting
from ocrstream_local.errors import StackError
from ocrstream_local.waiting import Say

LANGUAGES = "OCRSTREAM_LANGUAGES"
_TESSERACT_WITH_KOREAN = {"tesseract-ocr", "tesseract-ocr-kor", "tesseract-ocr-eng"}


def check_engine(engine: str, say: Say = waiting.silent) -> str:
    """Returns a line for the user about what the engine reads.

    Raises StackError if it does not read the languages; the message names an engine that does, and
    its command.
    """
    answer = _run_check(engine, say)
    languages = ",".join(answer["languages"])
    if answer["problem"] is None:
        reads = answer["reads"] or "nothing: it invents lines"
        return f"The workers' engine {engine} reads {reads} ({LANGUAGES}={languages})"
    raise StackError(describe_problem(answer))


def describe_problem(answer: Mapping[str, Any]) -> str:
    """Describes why the engine is not usable, and which is, from the check's `answer`."""
    engine, unread = answer["engine"], answer["unread"]
    lines = [
        f"{engine} does not read {', '.join(unread)}; it reads {answer['reads']}."
        if unread
        else f"{engine} cannot be used: {answer['problem']}."
    ]
    for proposal in answer["proposals"]:
        command = f"{LANGUAGES}={','.join(answer['languages'])} make up ENGINE={proposal['engine']}"
        if not proposal["packages"]:
            lines.append(f"{proposal['engine']} reads it, and is installed. Start it with:")
        else:
            lines.append(f"{_install_hint(proposal['packages'])}. Then start it with:")
        lines.append(f"  {command}")
    if unread:
        lines.append(f"About models: {answer['problem']}")
    return "\n".join(lines)


def _install_hint(packages: Sequence[str]) -> str:
    by_apt = f"apt-get install {' '.join(packages)}"
    if _TESSERACT_WITH_KOREAN.issuperset(packages):
        by_apt = f"make system-packages, or {by_apt}"
    return f"tesseract reads it once it is installed; on Debian, as root: {by_apt}"


def _run_check(engine: str, say: Say) -> Any:
    command = [sys.executable, "-m", "ocrstream_worker.check"]
    ran = waiting.run("engine-check", command, say, environment={"OCRSTREAM_ENGINE": engine})
    try:
        return json.loads(ran.stdout)
    except ValueError as error:
        raise StackError(f"Workers cannot start: {ran.stderr.strip()[-2000:]}") from error
