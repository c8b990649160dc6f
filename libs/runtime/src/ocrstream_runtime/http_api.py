"""The HTTP application of a service: what all of them have in common."""

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute

from ocrstream_runtime.api_docs import install_api_docs
from ocrstream_runtime.problems import install_problem_handlers
from ocrstream_runtime.tracing import HTTP_TELEMETRY


def create_http_api(title: str, summary: str | None = None) -> FastAPI:
    """Builds an application without paths.

    It answers errors with problem documents, refuses query parameters that a path does not declare
    (422), and serves its OpenAPI document and the page `/docs`.
    """
    app = FastAPI(
        title=title,
        summary=summary,
        version="1",
        docs_url=None,
        redoc_url=None,
        telemetry=HTTP_TELEMETRY,
        dependencies=[Depends(_UnknownParameters())],
        responses={422: {"description": "The request breaks its schema"}},
    )
    install_problem_handlers(app)
    install_api_docs(app)
    return app


class _UnknownParameters:
    """A dependency of every path; raises RequestValidationError for undeclared query parameters.

    A filter with a typing error would otherwise select everything.
    """

    def __init__(self) -> None:
        self._declared: dict[str, frozenset[str]] = {}

    async def __call__(self, request: Request) -> None:
        if not request.scope["query_string"]:
            return
        declared = self._declared_by(request.scope["route"])
        unknown = [name for name in request.query_params if name not in declared]
        if unknown:
            known = f"it has {', '.join(sorted(declared))}" if declared else "it has none"
            detail = f"this path has no such query parameter; {known}"
            raise RequestValidationError(
                [{"loc": ("query", name), "msg": detail} for name in unknown]
            )

    def _declared_by(self, route: APIRoute) -> frozenset[str]:
        # Collecting them takes as long as a query of one row.
        declared = self._declared.get(route.unique_id)
        if declared is None:
            declared = self._declared[route.unique_id] = frozenset(
                field.alias
                for field in get_flat_params(route.dependant)
                if isinstance(field.field_info, Query)
            )
        return declared
