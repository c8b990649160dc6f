"""The OpenAPI document where FastAPI cannot know it: bodies that are read by hand."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_TEMPLATE = "#/components/schemas/{model}"
_models: list[type[BaseModel]] = []


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """A reference to the model's schema, which `install_openapi` adds to the document."""
    _models.append(model)
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


def install_openapi(app: FastAPI) -> None:
    """Makes `app` describe all models that `schema_of` was asked for."""
    describe = app.openapi
    _, definitions = models_json_schema(
        [(model, "validation") for model in _models], ref_template=_TEMPLATE
    )

    def openapi() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"].update(definitions["$defs"])
        return document

    app.openapi = openapi
