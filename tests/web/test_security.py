"""Requests that are refused before any route sees them: wrong Host, other origins, repeated headers, no credentials."""

import asyncio
from typing import Any

import httpx
import pytest

from celery_gossip.web.auth import HeaderAuth
from celery_gossip.web.login_throttle import LoginThrottle
from celery_gossip.web.static import Assets
from tests.unit.build import FakeClock
from tests.web.served import ANN, Served

MAIN = f"/{Assets().static}/main.js"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example", "[::1"])
def test_another_host_is_refused_on_every_route(served: Served, host: str) -> None:
    for path in ("/", "/api/queues", MAIN, "/metrics", "/healthz"):
        assert served.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "GOSSIP.example:5556"])
def test_an_allowed_host_is_served_on_any_port(served: Served, host: str) -> None:
    assert served.get("/api/queues", headers={"Host": host}).status_code == 200


def test_two_hosts_in_one_request_are_refused(served: Served) -> None:
    assert served.get("/", headers=[("Host", "127.0.0.1"), ("Host", "evil.example")]).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://["])
def test_a_page_of_another_origin_is_refused_on_every_route(served: Served, origin: str) -> None:
    for path in ("/", "/api/queues", "/api/events?topic=fleet"):
        assert served.get(path, headers={"Origin": origin}).status_code == 403
    assert served.get("/api/queues", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "https://127.0.0.1:5556",
        "http://localhost:5556",
        "http://gossip.example:5556",
        "http://127.0.0.1:5556/",
        "http://ann@127.0.0.1:5556",
        "HTTP://127.0.0.1:5556, http://127.0.0.1:5556",
        "ftp://127.0.0.1:5556",
        "",
    ],
)
def test_another_scheme_host_or_port_is_another_origin(served: Served, origin: str) -> None:
    assert served.get("/api/queues", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize(
    ("host", "origin", "forwarded", "status"),
    [
        ("127.0.0.1:5556", "http://127.0.0.1:5556", None, 200),
        ("gossip.example", "https://gossip.example", None, 200),
        ("gossip.example", "https://gossip.example", "https", 200),
        ("gossip.example:443", "https://gossip.example", "https", 200),
        ("gossip.example", "http://gossip.example", "https", 403),
        ("gossip.example", "https://gossip.example", "http", 403),
        ("gossip.example", "https://gossip.example:8443", None, 403),
        ("gossip.example", "https://127.0.0.1", None, 403),
        ("127.0.0.1:5556", "https://127.0.0.1:5556", "https", 403),
    ],
)
def test_behind_a_proxy_the_own_origin_is_the_proxys(
    served: Served, host: str, origin: str, forwarded: str | None, status: int
) -> None:
    headers = {"Host": host, "Origin": origin, **({} if forwarded is None else {"X-Forwarded-Proto": forwarded})}
    assert served.get("/api/queues", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "Cross-Site"}, 403),
        ({"Sec-Fetch-Site": "SAME-ORIGIN"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin, cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200),
    ],
)
def test_only_the_dashboards_own_pages_and_the_user_may_send_requests(
    served: Served, headers: dict[str, str], status: int
) -> None:
    assert served.get("/", headers=headers).status_code == status


@pytest.mark.parametrize(
    "name",
    ["Origin", "Authorization", "Sec-Fetch-Site", "Sec-Fetch-Mode", "X-Gossip-CSRF", "Content-Type", "Last-Event-ID"],
)
def test_a_header_that_decides_on_access_may_not_be_repeated(served: Served, name: str) -> None:
    values = {"Origin": "http://127.0.0.1:5556", "Sec-Fetch-Site": "same-origin"}
    headers = [(name, values.get(name, "x")), (name.lower(), values.get(name, "x"))]
    assert served.get("/api/queues", headers=headers).status_code == 400


def test_two_user_headers_in_one_request_are_refused(served: Served) -> None:
    served.serve(HeaderAuth("X-User", ("127.0.0.1",)))
    assert served.get("/api/config", headers={"X-User": "ann"}).status_code == 200
    assert served.get("/api/config", headers=[("X-User", "eve"), ("x-user", "ann")]).status_code == 400


def test_responses_have_a_strict_policy_and_no_permission_for_other_origins(served: Served) -> None:
    for path in ("/", "/api/queues", "/healthz", "/static/nothing"):
        headers = served.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control-")]


def test_without_credentials_only_health_is_served(authenticated: Served) -> None:
    for path in ("/", "/api/queues", "/metrics", MAIN, "/api/config", "/api/events?topic=fleet"):
        response = authenticated.get(path)
        assert (response.status_code, response.headers["www-authenticate"][:5]) == (401, "Basic")
        assert "celery" not in response.text
    assert authenticated.get("/healthz").status_code == 200
    assert authenticated.get("/api/config", auth=ANN).status_code == 200
    assert authenticated.get("/api/config", auth=("ann", "wrong horse.")).status_code == 401


def test_refusals_are_not_cached(authenticated: Served) -> None:
    responses = [
        authenticated.get("/api/config"),
        authenticated.get("/", headers={"Host": "evil.example"}),
        authenticated.get("/", headers={"Origin": "http://evil.example"}),
        authenticated.get("/static/nothing", auth=ANN),
        authenticated.request("POST", "/api/queues", auth=ANN),
    ]
    assert [response.status_code for response in responses] == [401, 421, 403, 404, 405]
    assert {response.headers["cache-control"] for response in responses} == {"no-store"}


def test_a_websocket_is_closed_before_it_is_open(served: Served) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 1)}
    asyncio.run(served.application(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_failed_logins_are_counted_by_network_and_user_for_a_minute() -> None:
    clock = FakeClock(1000.0)
    throttle = LoginThrottle(clock)
    ann, bob = (httpx.BasicAuth(user, "guess")._auth_header for user in ("ann", "bobby"))
    assert throttle._key("10.0.0.1", ann) == throttle._key("10.0.0.1", ann)
    for _ in range(10):
        assert throttle.retry_after("10.0.0.1", ann) == 0
        throttle.record_failure("10.0.0.1", ann)
        clock.advance(1)
    assert throttle.retry_after("10.0.0.1", ann) == 59
    assert throttle.retry_after("10.0.0.2", ann) == 0
    if throttle._key("", ann) != throttle._key("", bob):  # one user in 64 has the same hash
        assert throttle.retry_after("10.0.0.1", bob) == 0
    clock.advance(59)
    assert throttle.retry_after("10.0.0.1", ann) == 0
    for number in range(20):
        throttle.record_failure(f"2001:db8::{number:x}", ann)
    assert throttle.retry_after("2001:db8::ffff", ann) == 60, "addresses of one /64 network count as one client"
    for number in range(10_000):
        throttle.record_failure(f"10.1.{number >> 8}.{number & 255}", "Bearer x")
    assert len(throttle._failures) == 4_096
