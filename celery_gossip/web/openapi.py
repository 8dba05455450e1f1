"""OpenAPI: the description of all operations, built from their declarations. Pure."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from celery_gossip.web.endpoint import BODY_ERRORS, METHOD_ERROR, PARAMETER_ERROR
from celery_gossip.web.operation import EVENT_STREAM, JSON, TEXT, Access, Operation, Parameter
from celery_gossip.web.response import Error
from celery_gossip.web.security import REFUSALS, UNAUTHENTICATED

__all__ = ["openapi_document"]

_SCHEMA_PATH = "#/components/schemas/{name}"
_DESCRIPTION = """What the workers of one or more Celery apps report, and control over them.

Times are Unix seconds of the server's clock, durations are seconds. `source` is the number of a watched app.
Every GET also answers HEAD. The server's option --auth decides which credentials it needs."""
_RESPONSE_HEADERS = {303: "Location", 401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}


def openapi_document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document."""
    operations = list(operations)
    bodies = [body for one in operations for body in (one.result, one.body) if body not in (None, Response)]
    _, schemas = msgspec.json.schema_components((*bodies, Error), ref_template=_SCHEMA_PATH)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.document_path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "celery-gossip", "version": version("celery-gossip"), "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {kind: {"type": "http", "scheme": kind} for kind in ("basic", "bearer")},
        },
        "security": [{}, {"basic": []}, {"bearer": []}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "description": f"{operation.details} {operation.access.value}".strip(),
        "tags": [operation.tag],
        "parameters": [_parameter(one) for one in operation.parameters],
        "responses": {
            str(operation.status): _success(operation),
            **{str(status): error for status, error in sorted(_errors(operation).items())},
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body)}}}
    if operation.access is Access.PUBLIC:
        described["security"] = []
    elif operation.access is Access.CONTROL:
        described["security"] = [{"basic": []}, {"bearer": []}]
    return described


def _parameter(parameter: Parameter[Any]) -> dict[str, Any]:
    schema = _schema(parameter.type)
    if not parameter.is_required:
        schema = {**schema, "default": parameter.default}
    return {
        "name": parameter.name,
        "in": parameter.location,
        "required": parameter.is_required,
        "description": parameter.expected,
        "schema": schema,
    }


def _success(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in operation.media_types:
        schema = {"type": "string"} if operation.result is Response else _schema(operation.result)
        content[media_type] = {} if media_type == EVENT_STREAM else {"schema": schema}
    return {"description": operation.summary, "content": content}


def _errors(operation: Operation) -> dict[int, dict[str, Any]]:
    """Return the error responses by status: the operation's own, and those that Security sends as plain text."""
    causes: dict[int, list[str]] = {}
    content: dict[int, dict[str, Any]] = {}
    own = [*operation.errors.items(), METHOD_ERROR]
    if operation.parameters:
        own.append(PARAMETER_ERROR)
    if operation.body is not None:
        own += BODY_ERRORS.items()
    if operation.access is Access.CONTROL:
        own.append((403, operation.access.value))
    is_public = operation.access is Access.PUBLIC
    refusals = [(status, cause) for status, cause in REFUSALS.items() if not (is_public and status in UNAUTHENTICATED)]
    for media_type, errors in ((operation.error_media_type, own), (TEXT, refusals)):
        for status, cause in errors:
            causes.setdefault(status, []).append(cause)
            content.setdefault(status, {})[media_type] = {"schema": _error_schema(media_type)}
    return {status: _error(status, " ".join(causes[status]), content[status]) for status in causes}


def _error(status: int, description: str, content: dict[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = {"description": description, "content": content}
    if status in _RESPONSE_HEADERS:
        error["headers"] = {_RESPONSE_HEADERS[status]: {"schema": {"type": "string"}}}
    return error


def _error_schema(media_type: str) -> dict[str, Any]:
    return _schema(Error) if media_type == JSON else {"type": "string"}


def _schema(described: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components((described,), ref_template=_SCHEMA_PATH)
    return schema
