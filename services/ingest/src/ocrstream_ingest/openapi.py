"""Adds the request bodies that the handlers parse themselves to the OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_TEMPLATE = "#/components/schemas/{model}"
_models: list[type[BaseModel]] = []


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """Returns a reference to the model's schema, which `install_openapi` adds to the document."""
    _models.append(model)
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


def install_openapi(app: FastAPI) -> None:
    """Adds the schemas of all models that `schema_of` received to the document of `app`."""
    describe = app.openapi
    _, definitions = models_json_schema(
        [(model, "validation") for model in _models], ref_template=_TEMPLATE
    )

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"].update(definitions["$defs"])
        return document

    app.openapi = openapi
