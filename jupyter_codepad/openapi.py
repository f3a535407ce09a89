"""The description of our REST routes (OpenAPI 3.1), made from the routes themselves."""

from __future__ import annotations

import re
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .handlers import RULE, CodepadHandler, Rule, public

PARAMETER = re.compile(r"\(\?P<(\w+)>((?:[^()]|\([^()]*\))*)\)")
METHODS = ("get", "post", "put", "patch", "delete")
Route = tuple[str, type[CodepadHandler]]


class ErrorModel(BaseModel):
    """Every error: words for the person, a stable code for the program."""

    message: str
    code: str


class Description(BaseModel):
    """An OpenAPI document."""

    openapi: str


def rules_of(handler: type[CodepadHandler]) -> dict[str, Rule]:
    """The rule of each HTTP method a handler has; a method without one is a mistake."""
    rules = {}
    for method in (*METHODS, "head"):
        rule = getattr(getattr(handler, method), RULE, None)
        if rule is not None:
            rules[method] = rule
    return rules


def template(pattern: str) -> str:
    """A route's pattern as an OpenAPI path: ``(?P<room_id>…)`` becomes ``{room_id}``."""
    path = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", pattern)
    return "/" + path.replace("\\", "")


def describe(routes: list[Route], *, version: str, prefix: str) -> dict[str, Any]:
    """The OpenAPI document of all ``api/`` routes, served below ``prefix``."""
    api = [(pattern, handler) for pattern, handler in routes if pattern.startswith("api/")]
    rules = [rule for _, handler in api for rule in rules_of(handler).values()]
    bodies = {rule.body for rule in rules if rule.body is not None}
    answers = {rule.answer for rule in rules if rule.answer is not None}
    ordered: list[type[BaseModel]] = [*bodies, *(answers - bodies), ErrorModel]
    ordered.sort(key=lambda model: model.__name__)
    # An answer leaves nothing out and a body may: the two modes differ only in "required".
    schemas, definitions = models_json_schema(
        [(m, "validation" if m in bodies else "serialization") for m in ordered],
        ref_template="#/components/schemas/{model}",
    )
    names = {cast(type[BaseModel], m): str(ref["$ref"]) for (m, _mode), ref in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for pattern, handler in api:
        operations = {
            method: _operation(rule, names, pattern)
            for method, rule in rules_of(handler).items()
            if method in METHODS
        }
        paths[template(pattern.removeprefix("api"))[1:]] = operations
    return {
        "openapi": "3.1.0",
        "info": {"title": "jupyter-codepad", "version": version},
        "servers": [{"url": f"{prefix}api"}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "jupyter": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "guest": {"type": "apiKey", "in": "cookie", "name": "codepad-<port>-<room>"},
            },
        },
    }


def _operation(rule: Rule, names: dict[type[BaseModel], str], pattern: str) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": rule.summary, "x-rule": rule.kind}
    if rule.permission is not None:
        operation["x-permission"] = rule.permission.value
    operation["security"] = {
        "public": [],
        "signed_in": [{"jupyter": []}],
        "room": [{"jupyter": []}, {"guest": []}],
    }[rule.kind]
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{allowed}$"},
        }
        for name, allowed in PARAMETER.findall(pattern)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": schema} for name, schema in rule.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if rule.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(names[rule.body])}
    success: dict[str, Any] = {"description": "Done"}
    if rule.answer is not None:
        success["content"] = _json(names[rule.answer])
    elif rule.media:
        success["content"] = {rule.media: {"schema": {"type": "string"}}}
    operation["responses"] = {
        str(rule.status): success,
        "default": {"description": "Why not", "content": _json(names[ErrorModel])},
    }
    return operation


def _json(ref: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": ref}}}


class OpenApiHandler(CodepadHandler):
    """``openapi.json``: this description."""

    @public(summary="This description", answer=Description)
    async def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(self.codepad.openapi())


ROUTES: list[Route] = [(r"api/openapi\.json", OpenApiHandler)]
