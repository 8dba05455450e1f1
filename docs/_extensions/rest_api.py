"""Build the page of the REST API from the OpenAPI document of the dashboard, and the comments of its types. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from celery_gossip.web.api import Api
from celery_gossip.web.broadcaster import Broadcaster
from celery_gossip.web.monitoring import Monitoring
from celery_gossip.web.route_table import RouteTable
from celery_gossip.web.static import Assets

__all__ = ["openapi_document", "rest_api_page"]

#: Modules of celery_gossip that define the types.
_TYPE_MODULES = (
    "web.schema",
    "web.response",
    "control.base_command",
    "control.command",
    "control.control",
    "control.activity",
)
_TAGS = {
    "api": "Data and commands",
    "monitoring": "Monitoring",
    "login": "Logins and sessions",
    "page": "The page itself",
}
_JSON_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}

_Operation = dict[str, Any]
_Error = tuple[str, str]  #: status, cause


def openapi_document() -> dict[str, Any]:
    """Return the document that the dashboard serves as /api/openapi.json."""
    broadcaster = Broadcaster([])
    return RouteTable(Api(broadcaster, None), Monitoring(broadcaster, {}), Assets()).document


def rest_api_page() -> str:
    """Return the Markdown of the routes, of the errors of all routes, and of the types."""
    document = openapi_document()
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    common = _common_errors(operation for _, _, operation in operations)
    parts = [document["info"]["description"]]
    for tag, title in _TAGS.items():
        parts.append(f"## {title}")
        for method, path, operation in operations:
            if operation["tags"] == [tag]:
                parts += _route(method, path, operation, common)
    parts += ["## Errors of all routes", _errors_table(common), "## Types", "Types of the JSON objects."]
    comments = _comments()
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts += _type(name, schema, comments)
    return "\n\n".join(parts) + "\n"


def _errors(operation: _Operation) -> list[_Error]:
    """Return the errors of an operation; several sentences are several causes of one status."""
    return [
        (status, cause)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for cause in re.split(r"(?<=\.) ", response["description"])
    ]


def _common_errors(operations: Iterable[_Operation]) -> list[_Error]:
    """Return the errors that every operation which needs a user has."""
    errors = [set(_errors(operation)) for operation in operations if operation.get("security") != []]
    return sorted(set.intersection(*errors))


def _route(method: str, path: str, operation: _Operation, common: list[_Error]) -> Iterator[str]:
    yield f"### `{method} {path}`"
    yield f"{operation['summary']}. {operation['description']}"
    if operation["parameters"]:
        rows = [(f"`{one['name']}`", one["in"], _default(one), one["description"]) for one in operation["parameters"]]
        yield _table(("parameter", "in", "default", "values"), rows)
    if body := operation.get("requestBody"):
        yield f"Body: {_content(body['content'])}"
    (status, success), *_ = ((int(status), one) for status, one in operation["responses"].items() if int(status) < 400)
    yield f"Response {status}: {_content(success['content'])}"
    if own := [error for error in _errors(operation) if error not in common]:
        yield _errors_table(own)


def _default(parameter: dict[str, Any]) -> str:
    if parameter["required"]:
        return "required"
    default = parameter["schema"]["default"]
    return f"`{default}`" if default != "" else ""


def _content(content: dict[str, Any]) -> str:
    """Return the types of a body: `application/json`, a Queue."""
    described = []
    for media_type, one in content.items():
        is_json = media_type == "application/json"
        described.append(f"`{media_type}`" + (f", {_name(one['schema'])}" if is_json else ""))
    return "; ".join(described)


def _errors_table(errors: Iterable[_Error]) -> str:
    return _table(("error", "cause"), errors)


def _comments() -> dict[tuple[str, str], str]:
    """Return `{(type, field): text of its comment}`."""
    comments = {}
    for module in _TYPE_MODULES:
        found = ModuleAnalyzer.for_module(f"celery_gossip.{module}").find_attr_docs()
        comments.update({key: " ".join(lines).strip() for key, lines in found.items()})
    return comments


def _type(name: str, schema: dict[str, Any], comments: dict[tuple[str, str], str]) -> Iterator[str]:
    yield f"### {name}"
    if description := schema.get("description", ""):
        yield description
    rows = []
    for field, one in schema.get("properties", {}).items():
        texts = (_description(one), comments.get((name, field), ""))
        rows.append((f"`{field}`", _name(one), "; ".join(text for text in texts if text)))
    if rows:
        yield _table(("field", "type", "meaning"), rows)


def _description(schema: dict[str, Any]) -> str:
    own = schema.get("description", "")
    return own or next((text for one in schema.get("anyOf", ()) if (text := one.get("description"))), "")


def _name(schema: dict[str, Any]) -> str:
    """Return the type of a value in words, with links to the types of the page."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(map(_name, choices))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        return f"list of {', '.join(map(_name, items))}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_name(values)}" if isinstance(values, dict) and values else "object"
    return _JSON_TYPES[schema["type"]]


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
