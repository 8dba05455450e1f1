"""OpenAPI: the description of the JSON API, made of the rows' own types. Pure."""

from importlib.metadata import version
from typing import Any

import msgspec

from celery_gossip.web import row
from celery_gossip.web.control import Act

__all__ = ["described"]

_ROWS = tuple(getattr(row, name) for name in row.__all__)
_SOURCE = {"name": "source", "in": "path", "required": True, "schema": {"type": "string"}}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def described() -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components((*_ROWS, Act), ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "celery-gossip",
            "version": version("celery-gossip"),
            "description": "What the workers of one or more Celery apps say of themselves. Times are Unix seconds.",
        },
        "paths": _paths(),
        "components": {"schemas": schemas},
    }


def _paths() -> dict[str, Any]:
    lists = {name: _rows(name, kind) for name, kind in (("queues", "Queue"), ("workers", "Worker"), ("tasks", "Task"))}
    overview = {"sources": _array("Source"), "totals": _array("Totals"), "findings": _array("Finding")}
    queue = {"queue": _ref("Queue"), "checks": _array("Check"), "runs": _array("Run"), "steps": _array("Step")}
    worker = {"worker": _ref("Worker"), "checks": _array("Check"), "runs": _array("Run"), "steps": _array("Step")}
    task = {"task": _ref("Task"), "steps": _array("Step")}
    window = {"name": "window", "in": "query", "schema": {"type": "number", "default": 600, "maximum": 10800}}
    return {
        "/api/overview": _get("Findings and totals", overview),
        **{f"/api/{name}": _get(f"All {name}", properties) for name, properties in lists.items()},
        "/api/queues/{source}/{name}": _get("One queue", queue, _SOURCE, _NAME),
        "/api/workers/{source}/{name}": _get("One worker", worker, _SOURCE, _NAME),
        "/api/tasks/{source}/{name}": _get("All tasks of one name", task, _SOURCE, _NAME),
        "/api/steps": _get("Throughput over time", {"steps": _array("Step")}, _of(), window),
        "/api/control": _control(),
        "/api/events": _events(),
        "/api/config": _get("What this server is", {"version": {"type": "string"}, "may_control": {"type": "boolean"}}),
    }


def _of() -> dict[str, Any]:
    told = "queue:SOURCE/NAME, worker:…, task:…, or pace:SOURCE; pace: for all"
    return {"name": "of", "in": "query", "description": told, "schema": {"type": "string", "default": "pace:"}}


def _rows(name: str, kind: str) -> dict[str, Any]:
    return {name: _array(kind)}


def _ref(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind}"}


def _array(kind: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(kind)}


def _get(summary: str, properties: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": list(properties), "properties": {"now": {"type": "number"}, **properties}}
    answer = {"description": summary, "content": {"application/json": {"schema": schema}}}
    answers = {"200": answer}
    if parameters:
        answers |= {"404": {"description": "not in the view"}, "400": {"description": "a parameter is wrong"}}
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": answers}}


def _control() -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": _ref("Act")}}}
    header = {"name": "X-Gossip-CSRF", "in": "header", "required": True, "schema": {"type": "string"}}
    answers = {
        "202": {"description": "asked for; the next gossip confirms it"},
        "400": {"description": "no such act"},
        "403": {"description": "not allowed here, or not by this page"},
        "404": {"description": "no worker is meant"},
        "502": {"description": "the broker cannot be reached"},
    }
    return {
        "post": {
            "summary": "Pause, resume, grow, shrink",
            "parameters": [header],
            "requestBody": body,
            "responses": answers,
        }
    }


def _events() -> dict[str, Any]:
    topic = {
        "name": "topic",
        "in": "query",
        "required": True,
        "description": "fleet, queues, workers, tasks, or as `of` in /api/steps; several may be named",
        "schema": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
    }
    answer = {"description": "server-sent events, differences only", "content": {"text/event-stream": {}}}
    return {"get": {"summary": "Live changes", "parameters": [topic], "responses": {"200": answer}}}
