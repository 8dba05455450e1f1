"""The API through the guard, as a browser or a script would ask it; and what nobody gets."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from celery_gossip import signals
from celery_gossip.web.api import Api
from celery_gossip.web.asset import Assets
from celery_gossip.web.auth import BasicAuth
from celery_gossip.web.board import Board
from celery_gossip.web.control import Control, Remote
from celery_gossip.web.guard import Guard
from tests.unit.build import a_check, a_series
from tests.web.scene import Fleet

ANN = ("ann", "correct horse")
STATIC = Assets().static
MAIN = f"/{STATIC}/main.js"


class Workers:
    """Celery's remote control, as far as it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, list[str]]] = []
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(what: Any, *, destination: list[str], **how: Any) -> list[dict[str, Any]]:
            if self.error is not None:
                raise self.error
            self.asked.append((name, what, destination))
            assert how["reply"] is True and how["timeout"] <= 2
            return [{host: {"ok": f"{name} {what}"}} for host in destination]

        return ask


class App:
    """A Celery app, as far as it is asked."""

    def __init__(self) -> None:
        self.control = Workers()


class Served:
    """A dashboard in memory, and clients that ask it."""

    def __init__(self, *, has_control: bool = False, has_auth: bool = False) -> None:
        self.fleet = Fleet()
        self.app = App()
        self.board = Board([self.fleet.watch()], clock=self.fleet.clock)
        control = Control({"0": Remote(self.app, lambda: nullcontext(object()))}) if has_control else None
        self.api = Api(self.board, control, {"0": lambda: b"up 1\n"})
        routes = Starlette(routes=[*self.api.routes(), *Assets().routes()])
        auth = BasicAuth(dict([ANN])) if has_auth or has_control else None
        self.guard = Guard(routes, frozenset({"127.0.0.1", "gossip.example"}), auth)

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, how))

    async def _ask(self, method: str, path: str, how: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:5556") as client:
            return await client.request(method, path, **how)

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.ask("GET", path, **how)

    def act(self, **act: Any) -> httpx.Response:
        headers = {"X-Gossip-CSRF": self.api.csrf, "Origin": "http://127.0.0.1:5556"}
        return self.ask("POST", "/api/control", json={"source": "0", **act}, headers=headers, auth=ANN)


@pytest.fixture
def served() -> Served:
    served = Served()
    served.fleet.say(checks=(a_check("mail"), a_check("a/b")), series=(a_series("mail", age=0.5),))
    return served


@pytest.fixture
def controlled() -> Served:
    served = Served(has_control=True)
    served.fleet.say("celery@web1", checks=(a_check("mail"),))
    served.fleet.say("celery@web2", checks=(a_check("mail"), a_check("other")))
    served.fleet.say("celery@web3", checks=(a_check("other"),))
    return served


@pytest.mark.parametrize("name", ["queues", "workers", "tasks"])
def test_each_list_has_its_rows_and_each_row_its_own_address(served: Served, name: str) -> None:
    told = served.get(f"/api/{name}").json()
    assert told["now"] > 1e9 and told[name]
    for row in told[name]:
        key = row.get("hostname") or row["name"]
        one = served.get(f"/api/{name}/0/{key.replace('/', '%2F')}").json()
        assert one[name[:-1]] == row and "steps" in one


def test_what_is_not_in_the_view_is_not_found(served: Served) -> None:
    answer = served.get("/api/queues/0/nothing")
    assert (answer.status_code, answer.json()) == (404, {"error": "this queue is not in the view"})
    assert served.get("/api/queues/7/mail").status_code == served.get("/api/nothing").status_code == 404


@pytest.mark.parametrize("query", ["of=queues", "of=nothing", "window=0", "window=x", "window=1e9", "window=nan"])
def test_a_chart_of_nothing_is_a_bad_request(served: Served, query: str) -> None:
    assert served.get(f"/api/steps?{query}").status_code == 400


def test_a_chart_is_of_the_fleet_or_of_one(served: Served) -> None:
    for of in ("pace:", "pace:0", "queue:0/mail", "worker:0/celery@web1", "task:0/shop.pack"):
        assert len(served.get("/api/steps", params={"of": of}).json()["steps"]) == 1


def test_the_description_names_every_route_and_is_true_of_the_rows(served: Served) -> None:
    document = served.get("/api/openapi.json").json()
    routes = {route.path.replace(":path", "") for route in served.api.routes() if route.path.startswith("/api/")}
    assert routes - {"/api/{rest}", "/api/openapi.json"} == set(document["paths"])
    schemas = document["components"]["schemas"]
    for name, kind in (("queues", "Queue"), ("workers", "Worker"), ("tasks", "Task")):
        (row, *_) = served.get(f"/api/{name}").json()[name]
        assert row.keys() == schemas[kind]["properties"].keys()


def test_health_tells_the_truth(served: Served) -> None:
    assert (served.get("/healthz").status_code, served.get("/healthz").text) == (200, "ok\n")
    served.fleet.cluster.isolate(served.fleet.clock.now)
    served.fleet.clock.advance(2)
    assert served.get("/healthz").status_code == 503
    served.fleet.cluster.heal(served.fleet.clock.now)
    served.fleet.connected_at = None
    served.fleet.clock.advance(2)
    assert served.get("/healthz").status_code == 503


def test_metrics_are_those_of_the_source(served: Served) -> None:
    assert served.get("/metrics").text == "up 1\n"
    assert served.get("/metrics?source=9").status_code == 501


def test_every_other_address_is_the_page_whose_files_are_fetched_once_for_each_version(served: Served) -> None:
    page = served.get("/queues/0/mail")
    assert page.status_code == 200 and '<base href="/">' in page.text
    assert page.headers["cache-control"] == "no-store"
    linked = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(linked) > 30 and MAIN[1:] in linked
    for path in linked:
        answer = served.get(f"/{path}")
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], path
    for path in ("nothing.js", "..%2f__init__.py", "..%2findex.html", "index.html"):
        assert served.get(f"/{STATIC}/{path}").status_code == 404, path
    other = served.get("/static/0123456789abcdef/main.js")  # of a server that is older or newer
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example", "[::1"])
def test_another_host_is_refused_on_every_route(served: Served, host: str) -> None:
    for path in ("/", "/api/queues", MAIN, "/metrics", "/healthz"):
        assert served.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "GOSSIP.example:5556"])
def test_its_own_hosts_are_answered_whatever_the_port(served: Served, host: str) -> None:
    assert served.get("/api/queues", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://["])
def test_a_page_of_another_origin_is_refused_on_every_route(served: Served, origin: str) -> None:
    for path in ("/", "/api/queues", "/api/events?topic=fleet"):
        assert served.get(path, headers={"Origin": origin}).status_code == 403
    assert served.get("/api/queues", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_two_hosts_in_one_request_are_none(served: Served) -> None:
    assert served.get("/", headers=[("Host", "127.0.0.1"), ("Host", "evil.example")]).status_code == 421


def test_answers_bear_a_strict_policy_and_no_leave_for_others(served: Served) -> None:
    for path in ("/", "/api/queues", "/healthz", "/static/nothing"):
        headers = served.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control-")]


def test_who_is_not_known_gets_nothing_but_health() -> None:
    served = Served(has_auth=True)
    for path in ("/", "/api/queues", "/metrics", MAIN, "/api/config", "/api/events?topic=fleet"):
        answer = served.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")
        assert "celery" not in answer.text
    assert served.get("/healthz").status_code == 200
    assert served.get("/api/config", auth=ANN).status_code == 200
    assert served.get("/api/config", auth=("ann", "wrong horse.")).status_code == 401


def test_without_leave_nothing_is_controlled(served: Served) -> None:
    config = served.get("/api/config").json()
    assert (config["may_control"], config["csrf"]) == (False, "")
    assert served.act(act="pause", queue="mail").status_code == 403


def test_a_queue_is_paused_on_the_workers_that_serve_it(controlled: Served) -> None:
    answer = controlled.act(act="pause", queue="mail")
    assert answer.status_code == 202
    assert answer.json()["asked"] == ["celery@web1", "celery@web2"]
    assert answer.json()["answers"]["celery@web1"] == "cancel_consumer mail"
    assert controlled.act(act="resume", queue="mail", hostname="celery@web2").status_code == 202
    assert controlled.app.control.asked == [
        ("cancel_consumer", "mail", ["celery@web1", "celery@web2"]),
        ("add_consumer", "mail", ["celery@web2"]),
    ]


def test_a_pool_is_grown_and_shrunk_on_one_worker(controlled: Served) -> None:
    for act in ("grow", "shrink"):
        assert controlled.act(act=act, hostname="celery@web3", n=2).status_code == 202
    assert controlled.app.control.asked == [
        ("pool_grow", 2, ["celery@web3"]),
        ("pool_shrink", 2, ["celery@web3"]),
    ]


@pytest.mark.parametrize(
    ("act", "status"),
    [
        ({"act": "explode", "queue": "mail"}, 400),
        ({"act": "pause"}, 400),
        ({"act": "pause", "queue": "nobody serves it"}, 404),
        ({"act": "pause", "queue": "mail", "hostname": "celery@web3"}, 404),
        ({"act": "grow"}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": 0}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": 101}, 400),
        ({"act": "grow", "hostname": "celery@web1", "n": "many"}, 400),
        ({"act": "pause", "queue": "mail", "source": "9"}, 404),
        ({"act": "pause", "queue": "mail", "shell": "rm"}, 400),
    ],
)
def test_an_act_that_is_none_reaches_no_worker(controlled: Served, act: dict[str, Any], status: int) -> None:
    answer = controlled.act(**act)
    assert answer.status_code == status and answer.json()["error"]
    assert controlled.app.control.asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Gossip-CSRF": "guess"}, 403),
        ({}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_a_forged_act_reaches_no_worker(controlled: Served, headers: dict[str, str], status: int) -> None:
    known = {"Content-Type": "application/json"} | ({"X-Gossip-CSRF": controlled.api.csrf} if status != 403 else {})
    body = json.dumps({"act": "pause", "source": "0", "queue": "mail"})
    answer = controlled.ask("POST", "/api/control", content=body, headers={**known, **headers}, auth=ANN)
    assert answer.status_code == status
    assert controlled.app.control.asked == []


def test_a_broker_that_is_gone_is_told_without_its_address(controlled: Served) -> None:
    controlled.app.control.error = ConnectionRefusedError("redis://user:secret@host")
    answer = controlled.act(act="pause", queue="mail")
    assert answer.status_code == 502 and "secret" not in answer.text


def test_each_act_is_logged_and_signalled(controlled: Served, caplog: pytest.LogCaptureFixture) -> None:
    heard = []

    def on_act(sender: Any, **data: Any) -> None:
        heard.append(data)

    with signals.control_asked.connected_to(on_act), caplog.at_level(logging.INFO):
        controlled.act(act="pause", queue="mail", hostname="celery@web1")
    assert heard == [{"act": "pause", "user": "ann", "hostnames": ("celery@web1",), "queue": "mail"}]
    assert "ann asks pause 'mail' of celery@web1" in caplog.text


async def events_of(board: Board, *topics: str, last_id: str = "") -> AsyncIterator[dict[str, Any]]:
    async for chunk in board.events(topics, last_id):
        lines = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
        if lines.get("event") == "tables":
            yield {"id": lines["id"], **json.loads(lines["data"])}


def test_a_viewer_is_told_all_first_and_then_what_differs(served: Served) -> None:
    async def view() -> list[dict[str, Any]]:
        board = Board([served.fleet.watch()], clock=served.fleet.clock)
        stream = events_of(board, "workers", "fleet")
        told = [await anext(stream)]
        served.fleet.clock.advance(2)
        served.fleet.say(active=3, checks=(a_check("mail"), a_check("a/b")))
        await board._look()
        told.append(await anext(stream))
        await stream.aclose()
        return told

    first, second = asyncio.run(view())
    assert {topic["full"] for topic in first["topics"].values()} == {True}
    assert second["topics"]["workers"]["tables"]["workers"]["set"] == {"0/celery@web1": {"active": 3}}
    assert second["id"] > first["id"]


def test_who_comes_while_nobody_watched_is_told_of_the_last_look_at_once_and_then_of_the_next(served: Served) -> None:
    async def view() -> list[dict[str, Any]]:
        board = Board([served.fleet.watch()], clock=served.fleet.clock)
        await board._look()
        served.fleet.clock.advance(5)
        served.fleet.say(active=3, checks=(a_check("mail"), a_check("a/b")))
        stream = events_of(board, "workers")
        told = [await anext(stream)]
        await board._look()
        return [*told, await anext(stream)]

    first, second = asyncio.run(view())
    rows = [event["topics"]["workers"]["tables"]["workers"]["set"]["0/celery@web1"] for event in (first, second)]
    assert [row["active"] for row in rows] == [0, 3]


def test_who_comes_back_for_other_topics_is_told_all_of_them(served: Served) -> None:
    async def view() -> list[dict[str, Any]]:
        board = Board([served.fleet.watch()], clock=served.fleet.clock)
        last = (await anext(events_of(board, "fleet")))["id"]
        return [await anext(events_of(board, *topics, last_id=last)) for topics in (("fleet", "workers"), ("fleet",))]

    other, same = asyncio.run(view())
    assert {name: topic["full"] for name, topic in other["topics"].items()} == {"fleet": True, "workers": True}
    assert same["topics"] == {}


def test_a_look_that_is_too_old_is_no_beginning(served: Served) -> None:
    async def view() -> dict[str, Any]:
        board = Board([served.fleet.watch()], clock=served.fleet.clock)
        await board._look()
        served.fleet.clock.advance(11)
        served.fleet.say(active=3, checks=(a_check("mail"), a_check("a/b")))
        return await anext(events_of(board, "workers"))

    rows = asyncio.run(view())["topics"]["workers"]["tables"]["workers"]["set"]
    assert rows["0/celery@web1"]["active"] == 3


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_viewer_that_was_cut_off_is_told_what_it_missed(served: Served, *, is_watched: bool) -> None:
    """Tick by tick where somebody else has watched; what nobody watches is made when somebody returns."""

    async def view() -> list[dict[str, Any]]:
        board = Board([served.fleet.watch()], clock=served.fleet.clock)
        stream, other = events_of(board, "workers"), events_of(board, *(["workers"] if is_watched else ["fleet"]))
        await anext(other)
        last = (await anext(stream))["id"]
        await stream.aclose()
        for active in (1, 2):
            served.fleet.clock.advance(2)
            served.fleet.say(active=active, checks=(a_check("mail"), a_check("a/b")))
            await board._look()
            assert board._is_made("workers") is is_watched
        stream = events_of(board, "workers", last_id=last)
        told = [await anext(stream) for _ in range(2 if is_watched else 1)]
        again = await anext(events_of(board, "workers", last_id="another-1"))
        await other.aclose()
        return [*told, again]

    *missed, anew = asyncio.run(view())
    assert [event["topics"]["workers"]["tables"]["workers"]["set"]["0/celery@web1"] for event in missed] == [
        {"active": active} for active in ((1, 2) if is_watched else (2,))
    ]
    rows = anew["topics"]["workers"]["tables"]["workers"]["set"]
    assert anew["topics"]["workers"]["full"] is True and rows["0/celery@web1"]["active"] == 2


@pytest.mark.parametrize("query", ["", "topic=nothing", "&".join(["topic=fleet"] * 9)])
def test_a_stream_of_nothing_is_a_bad_request(served: Served, query: str) -> None:
    assert served.get(f"/api/events?{query}").status_code == 400


def test_there_are_no_more_viewers_than_may_be(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.web.board.MOST_VIEWERS", 0)
    assert served.get("/api/events?topic=fleet").status_code == 503
