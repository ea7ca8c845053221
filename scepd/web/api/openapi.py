"""
The OpenAPI 3.1 document of the admin API, from what its endpoints say of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from scepd import __version__
from scepd.web.errors import PROBLEM_TYPE, Problem

JSON = "application/json"

_CAPTURED = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    What the document says of one method of one path.

    :param path: as klein has it, such as ``/profiles/<uuid>``.
    :param summary: one sentence.
    :param status: of the answer when all went well.
    :param answer: the model of the answer; None: it has no JSON.
    :param body: the model of the request's body; None: it has no JSON.
    :param parameters: query parameter → what it does.
    :param body_type: media type of the request's body; empty: it has none.
    :param answer_type: media type of the answer; empty: it has no body.
    :param public: whether it needs no token.
    :param roles: those whose tokens are let through.
    """

    method: str
    path: str
    summary: str
    status: int = 200
    answer: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    parameters: Mapping[str, str] | None = None
    body_type: str = ""
    answer_type: str = JSON
    public: bool = False
    roles: frozenset[str] = frozenset({"admin"})


def document(endpoints: Sequence[Endpoint]) -> dict[str, JsonValue]:
    """
    The OpenAPI document of ``endpoints``.
    """
    paths: dict[str, JsonValue] = {}
    for endpoint in endpoints:
        path = "/api/v1" + _CAPTURED.sub(r"{\1}", endpoint.path)
        methods = paths.setdefault(path, {})
        assert isinstance(methods, dict)
        methods[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "scepd admin API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint) -> JsonValue:
    answer: dict[str, JsonValue] = {"description": endpoint.summary}
    if endpoint.answer_type:
        answer["content"] = _content(endpoint.answer_type, endpoint.answer)
    operation: dict[str, JsonValue] = {
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": {
            str(endpoint.status): answer,
            "default": {
                "description": "a problem (RFC 9457)",
                "content": _content(PROBLEM_TYPE, Problem),
            },
        },
        "security": [] if endpoint.public else [{"token": []}],
    }
    if endpoint.body_type:
        operation["requestBody"] = {
            "required": True,
            "content": _content(endpoint.body_type, endpoint.body),
        }
    return operation


def _parameters(endpoint: Endpoint) -> list[JsonValue]:
    text: JsonValue = {"type": "string"}
    captured: list[JsonValue] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in _CAPTURED.findall(endpoint.path)
    ]
    asked: list[JsonValue] = [
        {"name": name, "in": "query", "description": what, "schema": text}
        for name, what in (endpoint.parameters or {}).items()
    ]
    return captured + asked


def _content(media_type: str, model: type[BaseModel] | None) -> JsonValue:
    if model is None:
        return {media_type: {}}
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _schemas(endpoints: Sequence[Endpoint]) -> JsonValue:
    wanted: dict[type[BaseModel], JsonSchemaMode] = {Problem: "serialization"}
    for endpoint in endpoints:
        if endpoint.answer is not None:
            wanted[endpoint.answer] = "serialization"
        if endpoint.body is not None:
            wanted[endpoint.body] = "validation"
    _, schema = models_json_schema(
        list(wanted.items()), ref_template="#/components/schemas/{model}"
    )
    definitions: JsonValue = schema["$defs"]
    return definitions
