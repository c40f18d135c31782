"""The API: `/api/v1`, put together, and the OpenAPI document that describes it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from app.api import imports, judging, projects
from app.api.access import ApiMay

router = APIRouter(prefix="/api/v1")
for module in (projects, judging, imports):
    router.include_router(module.router)

DESCRIPTION = """Everything that the pages do with projects and judgments, for programs.

Send an API token with each request, as `Authorization: Bearer TOKEN`. Make one on the page "API
tokens" or with `prefloop token create`; it is shown once. What a token may do is bounded by its
scopes, and by the role and the projects of its owner.

Every error is JSON: `{"error": {"status": 422, "sentence": "What was found and what to do."}}`."""
SCHEMA_NAMES = "#/components/schemas/{model}"


@cache
def openapi_document() -> dict[str, Any]:
    """OpenAPI 3.1 of every route of the API, with the scope and the role that each needs."""
    document = get_openapi(
        title="Prefloop API",
        version=version("prefloop"),
        description=DESCRIPTION,
        routes=router.routes,
    )
    components = document["components"]
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."}
    }
    for model in projects.LINE_SCHEMAS:
        schema = TypeAdapter(model).json_schema(ref_template=SCHEMA_NAMES)
        components["schemas"].update(schema.pop("$defs", {}))
        components["schemas"][model.__name__] = schema
    for context in iter_route_contexts(router.routes):
        (rule,) = [d.call for d in context.dependant.dependencies if isinstance(d.call, ApiMay)]
        for method in context.methods or ():
            operation = document["paths"][context.path][method.lower()]
            operation["security"] = [{"token": [rule.scope]}]
            operation["x-scope"], operation["x-role"] = rule.scope, rule.role
    return document
