"""The route table: every route is describe_error, every description has a route, and responses are as declared."""

from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from celery_gossip.web import Dashboard
from celery_gossip.web.endpoint import starlette_routes
from celery_gossip.web.operation import JSON, Access, Call, Operation, Parameter
from celery_gossip.web.parameter import NAME, NAME_IN_QUERY, SOURCE
from celery_gossip.web.response import Config, Error, QueueList
from celery_gossip.web.topic import parse_topic
from celery_gossip.wire.messages import TaskFailure
from tests.web.served import ANN, Served, base_type

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
#: A valid path and query of each operation.
EXAMPLES = {
    "/api/config": "",
    "/api/overview": "",
    "/api/queues": "",
    "/api/workers": "",
    "/api/tasks": "",
    "/api/balance": "/api/balance",
    "/api/matrix": "/api/matrix?group=worker",
    "/api/beats": "",
    "/api/failures": "/api/failures?task=shop.pack",
    "/api/running": "/api/running?queue=mail",
    "/api/runs": "/api/runs?state=running&min_age=1",
    "/api/search": "/api/search?q=mail",
    "/api/runs/{source}/{name}": "/api/runs/0/some-id",
    "/api/activity": "",
    "/api/queues/{source}/{name}": "/api/queues/0/mail",
    "/api/workers/{source}/{name}": "/api/workers/0/celery@web1",
    "/api/tasks/{source}/{name}": "/api/tasks/0/shop.pack",
    "/api/failures/{source}/{name}": "/api/failures/0/ffcb633dab593cb4",
    "/api/steps": "/api/steps?of=queue:0/mail&window=60",
    "/api/openapi.json": "",
    "/metrics": "",
    "/healthz": "",
    "/login/style.css": "",
    "/static/{version}/{name}": "/static/0/main.js",
    "/{page}": "/queues",
}
STREAMS = {"/api/events"}  #: see test_events
CONTROL = {"/api/control"}  #: see test_control
#: See tests/web/login.
LOGIN = {"/login", "/login/callback", "/logged-out", "/api/sessions", "/api/sessions/end", "/api/logout"}


async def handle(call: Call) -> Config:
    raise NotImplementedError


def an_operation(**fields: Any) -> Operation:
    required: dict[str, Any] = {
        "method": "GET",
        "path": "/api/new",
        "handler": handle,
        "summary": "New",
        "result": Config,
    }
    return Operation(**{**required, **fields})


def routes_of(application: Any) -> list[Route]:
    """Return the Starlette routes behind Security."""
    app = application._app
    assert isinstance(app, Starlette)
    return [route for route in app.routes if isinstance(route, Route)]


def test_an_operation_is_complete() -> None:
    assert an_operation().document_path == "/api/new"


@pytest.mark.parametrize("field", ["method", "path", "handler", "summary", "result"])
def test_an_operation_without_a_description_cannot_be_created(field: str) -> None:
    fields: dict[str, Any] = {
        "method": "GET",
        "path": "/api/new",
        "handler": handle,
        "summary": "New",
        "result": Config,
    }
    with pytest.raises(TypeError, match=field):
        Operation(**{name: value for name, value in fields.items() if name != field})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"summary": " "}, "expected a summary"),
        ({"path": "/api/{source}"}, "expected a declaration of each parameter in the path"),
        ({"path": "/api/{source}/{name:path}", "parameters": (SOURCE, NAME_IN_QUERY)}, "expected a declaration"),
        ({"parameters": (NAME,)}, "expected a declaration"),
        ({"result": QueueList}, "expected a handler that returns .*QueueList.*, got .*Config"),
        ({"media_types": ("text/plain",)}, "expected a type for JSON"),
    ],
)
def test_an_operation_with_a_wrong_description_cannot_be_created(fields: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"GET /api/.*: {error}"):
        an_operation(**fields)


def test_a_parameter_without_a_description_cannot_be_created() -> None:
    with pytest.raises(ValueError, match="of: expected a description"):
        Parameter[str](name="of", location="query", type=str, expected="")


def test_two_operations_with_one_path_and_method_are_refused() -> None:
    with pytest.raises(ValueError, match="GET /api/new: expected one operation"):
        starlette_routes([an_operation(), an_operation()], lambda _: None)


def test_the_application_serves_exactly_the_documented_routes(served: Served) -> None:
    document = served.get("/api/openapi.json").json()
    served_paths = [route.path.replace(":path", "") for route in routes_of(served.application)]
    assert served_paths == list(document["paths"])
    documented = {(path, method) for path, item in document["paths"].items() for method in item}
    declared = {(one.document_path, one.method.lower()) for one in served.table.operations}
    assert documented == declared
    assert set(document["paths"]) == EXAMPLES.keys() | STREAMS | CONTROL | LOGIN


def test_a_dashboard_serves_exactly_the_route_table(served: Served) -> None:
    dashboard = Dashboard([])
    try:
        routes = routes_of(dashboard._build_app(served.broadcaster))
        assert [route.path for route in routes] == [route.path for route in routes_of(served.application)]
    finally:
        dashboard._close()


def test_every_documented_operation_responds_as_declared(served: Served) -> None:
    """Served compares each response with its declared type: no field is missing, none is added."""
    failure = TaskFailure(1, 0, 1, 2, "id-1", 1.0, 0.5, 1, "why", (3,), 0)
    served.fleet.report("celery@failing", names=("shop.pack", "mail", "KeyError", "m:f:1"), failures=(failure,))
    for template, path in EXAMPLES.items():
        response = served.get(path or template)
        assert response.status_code == 200, template
        assert served.request("HEAD", path or template).status_code == 200, template


def test_a_method_that_is_not_documented_is_refused_with_the_documented_error(served: Served) -> None:
    for template, item in served.table.document["paths"].items():
        allowed = {method.upper() for method in item}
        for method in {*METHODS} - allowed:
            response = served.request(method, EXAMPLES.get(template) or template)
            assert response.status_code == 405, (method, template)
            assert {one.strip() for one in response.headers["allow"].split(",")} - {"HEAD"} == allowed
            (operation,) = item.values()
            assert base_type(response.headers["content-type"]) in operation["responses"]["405"]["content"]
            if response.headers["content-type"] == JSON:
                assert msgspec.json.decode(response.content, type=Error).error.startswith("expected ")
    assert served.request("HEAD", "/api/control").status_code == 405


def test_only_public_operations_are_served_without_credentials(authenticated: Served) -> None:
    for operation in authenticated.table.operations:
        path = EXAMPLES.get(operation.document_path) or operation.document_path
        response = authenticated.request(operation.method, path)
        assert (response.status_code == 401) == (operation.access is not Access.PUBLIC), path
        describe_error = authenticated.table.document["paths"][operation.document_path][operation.method.lower()]
        assert (describe_error.get("security") == []) == (operation.access is Access.PUBLIC)
        assert ("401" in describe_error["responses"]) == (operation.access is not Access.PUBLIC)


def test_an_operation_with_control_needs_the_permission_and_the_token(served: Served, controlled: Served) -> None:
    paths = {operation.path for operation in served.table.operations if operation.access is Access.CONTROL}
    assert paths == CONTROL
    for path in paths:
        assert served.request("POST", path, json={}).status_code == 403
        assert controlled.request("POST", path, json={}, auth=ANN).status_code == 403
        headers = {"X-Gossip-CSRF": controlled.api.csrf}
        assert controlled.request("POST", path, json={}, auth=ANN, headers=headers).status_code == 400


def test_every_error_of_an_operation_is_described_in_words(served: Served) -> None:
    for item in served.table.document["paths"].values():
        for operation in item.values():
            assert operation["summary"] and operation["description"]
            for response in operation["responses"].values():
                assert response["description"].strip() and response["content"]
            assert all(parameter["description"] for parameter in operation["parameters"])


@pytest.mark.parametrize("topic", ["fleet", "queue:0/mail", "worker:1/a/b:c", "task:0/", "pace:", "pace:1"])
def test_described_topics_are_valid(served: Served, topic: str) -> None:
    parse_topic(topic)
    is_chart = ":" in topic
    assert served.get("/api/steps", params={"of": topic}).status_code == (200 if is_chart else 400)


def test_responses_of_other_media_types_are_declared_as_response(served: Served) -> None:
    for operation in served.table.operations:
        assert (operation.result is Response) == (operation.media_types != (JSON,))
