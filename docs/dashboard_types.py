"""Writes the dashboard's types of both HTTP APIs, from what the services say of themselves.

`make dashboard-types` runs it; a test fails while a file is not of the present API.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from ocrstream_ingest.app import create_api as create_ingest
from ocrstream_ingest.dependencies import Dependencies
from ocrstream_recorder.api.app import create_api as create_recorder
from ocrstream_recorder.api.databases import ReadDatabase
from ocrstream_recorder.database.zone import DatabaseZone
from ocrstream_recorder.dead_letters.records import DeadLetterRecords
from ocrstream_runtime.health import Health
from ocrstream_runtime.settings import ServiceSettings

DASHBOARD = Path(__file__).parents[1] / "services" / "recorder" / "dashboard"


def apis() -> dict[str, FastAPI]:
    """The application of each service; nothing is reached or started for it."""
    database = ReadDatabase("postgresql://", connections=1, timeout_s=1)
    records = DeadLetterRecords(ServiceSettings())
    return {
        "recorder": create_recorder(database, DatabaseZone("UTC"), Health(), records),
        "ingest": create_ingest(cast("Dependencies", None), Health()),
    }


def documents() -> dict[str, str]:
    """The OpenAPI document of each service."""
    return {service: _document(api) for service, api in apis().items()}


def path_of(service: str) -> Path:
    """Where the types of a service's API are."""
    return DASHBOARD / "src" / "api" / f"{service}.openapi.d.ts"


def heading(document: str) -> str:
    """How the types of a document begin: it tells them from those of any other."""
    digest = hashlib.sha256(document.encode()).hexdigest()
    return f"// Written by `make dashboard-types`. OpenAPI document: sha256:{digest}\n"


def _document(api: FastAPI) -> str:
    document: dict[str, Any] = api.openapi()
    return json.dumps(document, sort_keys=True)


def _types(document: str, *options: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(document)
        file.flush()
        return subprocess.check_output(
            ["./node_modules/.bin/openapi-typescript", file.name, "--root-types", *options],
            cwd=DASHBOARD,
            text=True,
            stderr=sys.stderr,
        )


if __name__ == "__main__":
    for service, document in documents().items():
        # Of a request, what has a default may be left out; an answer always has it.
        asked = ["--default-non-nullable", "false"] if service == "ingest" else []
        path_of(service).write_text(heading(document) + _types(document, *asked))
