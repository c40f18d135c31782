"""The API's description: the OpenAPI document, and a page made from it for people.

The page is rendered here, without a script and without anything from another host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.web.access import Anyone
from app.web.pages import render

router = APIRouter(prefix="/api", include_in_schema=False)
Schema = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One line of a table: what a body or an answer holds, or a parameter."""

    name: str
    """With dots and [] where it is nested: `comparison.completions[].side`."""
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    status: str
    description: str
    media_type: str | None
    fields: list[Field]


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    role: str
    parameters: list[Field]
    body: list[Field]
    body_media_type: str | None
    answers: list[Answer]
    problems: list[Answer] = field(default_factory=list)
    """Answers that are errors; each holds the same fields."""
    curl: str = ""


@router.get("/openapi.json")
def show_document(request: Request, visitor: Anyone) -> Response:
    return JSONResponse(request.app.state.api_document)


@router.get("/docs")
def show_docs(request: Request, visitor: Anyone) -> Response:
    document = request.app.state.api_document
    groups = grouped_operations(document, address=str(request.base_url).rstrip("/"))
    return render(request, "api_docs.html", document=document, groups=groups)


def grouped_operations(document: Schema, *, address: str) -> dict[str, list[Operation]]:
    """Every operation of the document under its tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            operation = _operation(document, path, method, found, address)
            groups.setdefault(found["tags"][0], []).append(operation)
    return groups


def _operation(document: Schema, path: str, method: str, found: Schema, address: str) -> Operation:
    body_media_type, body = _first(found.get("requestBody", {}))
    answers = [_answer(document, status, a) for status, a in sorted(found["responses"].items())]
    return Operation(
        id=found["operationId"],
        method=method.upper(),
        path=path,
        summary=found["summary"],
        description=found.get("description", ""),
        scope=found["x-scope"],
        role=found["x-role"],
        parameters=[
            Field(
                parameter["name"],
                _kind(document, parameter["schema"]),
                parameter["required"],
                _described(parameter, parameter["schema"]),
            )
            for parameter in found.get("parameters", [])
        ],
        body=_fields(document, body.get("schema", {})),
        body_media_type=body_media_type,
        answers=[answer for answer in answers if answer.status < "4"],
        problems=[answer for answer in answers if answer.status >= "4"],
        curl=_curl(document, method, address + path, body_media_type, body.get("schema", {})),
    )


def _answer(document: Schema, status: str, answer: Schema) -> Answer:
    media_type, content = _first(answer)
    schema = content.get("schema", {})
    if "x-line" in content:
        schema = document["components"]["schemas"][content["x-line"]]
    return Answer(status, answer["description"], media_type, _fields(document, schema))


def _first(holder: Schema) -> tuple[str | None, Schema]:
    """Media type and description of a body; None where it has none."""
    content: Schema = holder.get("content", {})
    media_type = next(iter(content), None)
    return media_type, content[media_type] if media_type else {}


def _resolved(document: Schema, schema: Schema) -> Schema:
    """What a reference points to; of several alternatives, the one that is not null."""
    if "$ref" in schema:
        found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    alternatives = [a for a in schema.get("anyOf", []) if a.get("type") != "null"]
    if alternatives:
        return _resolved(document, alternatives[0])
    return schema


def _fields(document: Schema, schema: Schema, prefix: str = "") -> list[Field]:
    """The fields of an object, those of nested objects and lists of them after each."""
    schema = _resolved(document, schema)
    required = schema.get("required", [])
    fields = []
    for name, value in schema.get("properties", {}).items():
        full = f"{prefix}{name}"
        found = Field(full, _kind(document, value), name in required, _described(value, value))
        fields.append(found)
        inner, inner_prefix = _resolved(document, value), f"{full}."
        if inner.get("type") == "array":
            inner, inner_prefix = _resolved(document, inner["items"]), f"{full}[]."
        fields += _fields(document, inner, inner_prefix)
    return fields


def _kind(document: Schema, schema: Schema) -> str:
    """A field's type in words: `text`, `whole number or null`, `list of objects`."""
    nullable = any(a.get("type") == "null" for a in schema.get("anyOf", []))
    found = _resolved(document, schema)
    if "enum" in found:
        kind = " or ".join(f"“{value}”" for value in found["enum"])
    elif found.get("type") == "array":
        kind = f"list of {_kind(document, found['items'])}"
    else:
        names = {"string": "text", "integer": "whole number", "boolean": "true or false"}
        type_name: str = found.get("type", "anything")
        kind = names.get(type_name, type_name)
        formats = {"uuid": "UUID", "date-time": "time (ISO 8601, UTC)"}
        kind = formats.get(found.get("format", ""), kind)
    return f"{kind} or null" if nullable else kind


def _described(thing: Schema, schema: Schema) -> str:
    """The description, with the limits that the schema sets."""
    limited = {**schema, **next((a for a in schema.get("anyOf", []) if "type" in a), {})}
    words = {
        "minimum": "at least {:,.0f}",
        "maximum": "at most {:,.0f}",
        "minLength": "{} characters or more",
        "maxLength": "at most {:,} characters",
    }
    limits = [text.format(limited[key]) for key, text in words.items() if key in limited]
    if "default" in schema and schema["default"] is not None:
        limits.append(f"“{schema['default']}” if left out")
    description: str = thing.get("description", "")
    return f"{description} ({', '.join(limits)})".strip() if limits else description


def _curl(
    document: Schema, method: str, address: str, media_type: str | None, schema: Schema
) -> str:
    lines = [f"curl -H 'Authorization: Bearer TOKEN' {address}"]
    if method != "get":
        lines[0] = lines[0].replace("curl", f"curl -X {method.upper()}")
    if media_type == "application/json":
        example = json.dumps(_example(document, schema))
        lines += ["-H 'Content-Type: application/json'", f"-d '{example}'"]
    elif media_type is not None:
        lines += [f"-H 'Content-Type: {media_type}'", "--data-binary @data.jsonl"]
    return " \\\n  ".join(lines)


def _example(document: Schema, schema: Schema) -> Schema:
    properties = _resolved(document, schema).get("properties", {})
    return {name: value["examples"][0] for name, value in properties.items() if "examples" in value}
