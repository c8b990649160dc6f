"""`make contract`: writes the contract's documents, unless they would break the present ones."""

import json
import sys
from pathlib import Path
from typing import Any

from ocrstream_schemas.contract.compatibility import breaking_changes
from ocrstream_schemas.contract.document import asyncapi
from ocrstream_schemas.contract.examples import EXAMPLES, derived_ids
from ocrstream_schemas.contract.schemas import documents

FOLDER = Path("libs") / "schemas" / "contract"
ASYNCAPI = "asyncapi.json"


def files() -> dict[str, str]:
    """Returns the content of each file, by its path in the folder."""
    contents: dict[str, Any] = {ASYNCAPI: asyncapi(), "ids.json": derived_ids()}
    contents |= {f"schemas/{name}.json": schema for name, schema in documents().items()}
    for example in EXAMPLES:
        kind = type(example.event).__name__
        contents[f"examples/{example.topic}/{kind}.{example.name}.json"] = example.payload()
    return {path: _text(content) for path, content in contents.items()}


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[str]:
    """Writes the files and deletes others; if that breaks the contract, only returns the breaks."""
    committed = folder / ASYNCAPI
    if committed.exists():
        found = breaking_changes(json.loads(committed.read_text(encoding="utf-8")), asyncapi())
        if found:
            return found
    made = files()
    for path, text in made.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for file in folder.rglob("*.json"):
        if file.relative_to(folder).as_posix() not in made:
            file.unlink()
    return []


if __name__ == "__main__":
    found = write(FOLDER)
    if found:
        rule = "These changes break users of the contract; use a new topic (.v2) instead, see"
        print(*found, f"{rule} docs/adr/0032", sep="\n", file=sys.stderr)  # noqa: T201
        sys.exit(1)
