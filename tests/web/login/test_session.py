"""Sessions: how they end, who may end them, and what a session that has ended can still do."""

import asyncio
from typing import Any

import pytest

from celery_gossip.web.login.session import MAX_SESSIONS, MAX_SESSIONS_OF_USER, Sessions, User
from tests.support.oidc import OidcProvider
from tests.unit.build import FakeClock
from tests.web.login.visitor import URL, Visitor, oidc_config


@pytest.fixture
def bob(visitor: Visitor) -> Visitor:
    """Another browser, in which Bob has logged in, who is no admin."""
    claims = visitor.provider.claims
    visitor.provider.claims = {**claims, "sub": "bob-1", "email": "bob@example.com"}
    bob = Visitor(visitor.served, visitor.provider)
    bob.log_in()
    visitor.provider.claims = claims
    return bob


def users_in(visitor: Visitor) -> list[str]:
    return [session["user"] for session in visitor.get("/api/sessions").json()["sessions"]]


def test_a_user_sees_the_own_sessions_and_an_admin_all(visitor: Visitor, bob: Visitor, clock: FakeClock) -> None:
    clock.advance(60)
    visitor.log_in()
    assert users_in(visitor) == ["ann@example.com", "bob@example.com"]
    (row,) = bob.get("/api/sessions", **{"User-Agent": "other"}).json()["sessions"]
    assert row["is_own"] and not row["is_admin"] and row["client"] == "127.0.0.1" and "httpx" in row["browser"]
    assert row["ends_at"] > row["used_at"] >= row["started_at"]
    assert row["id"] == bob.config()["session"]["id"] and row["id"] not in str(bob.cookies)


def test_an_admin_ends_the_session_of_another_user(visitor: Visitor, bob: Visitor) -> None:
    visitor.log_in()
    bobs = bob.config()["session"]["id"]
    left = visitor.post("/api/sessions/end", json={"id": bobs}).json()["sessions"]
    assert [one["user"] for one in left] == ["ann@example.com"]
    assert bob.get("/api/queues").status_code == 401
    assert visitor.post("/api/sessions/end", json={"id": bobs}).status_code == 404


def test_another_user_ends_only_the_own_sessions(visitor: Visitor, bob: Visitor) -> None:
    visitor.log_in()
    assert bob.post("/api/sessions/end", json={"id": visitor.config()["session"]["id"]}).status_code == 404
    assert visitor.get("/api/queues").status_code == 200
    assert bob.post("/api/sessions/end", json={"id": bob.config()["session"]["id"]}).status_code == 200
    assert bob.get("/api/queues").status_code == 401


@pytest.mark.parametrize(("path", "body"), [("/api/logout", None), ("/api/sessions/end", {"id": "x"})])
def test_a_session_is_ended_only_with_its_token_and_from_the_own_origin(
    visitor: Visitor, bob: Visitor, path: str, body: Any
) -> None:
    visitor.log_in()
    options = {} if body is None else {"json": body}
    for token in ("", "wrong", "é".encode("latin-1").decode("latin-1"), bob.config()["session"]["csrf"]):
        headers = {"X-Gossip-CSRF": token.encode("latin-1")}
        assert visitor.request("POST", path, headers=headers, **options).status_code in (400, 403)
    token = visitor.config()["session"]["csrf"]
    foreign = {"X-Gossip-CSRF": token, "Origin": "http://evil.example"}
    assert visitor.request("POST", path, headers=foreign, **options).status_code == 403
    assert visitor.request("POST", path, **options).status_code == 400
    assert visitor.get(path).status_code == 405
    assert visitor.get("/api/queues").status_code == 200


def test_a_session_ends_without_use_and_after_its_lifetime(visitor: Visitor, clock: FakeClock) -> None:
    visitor.log_in()
    for _ in range(6):
        clock.advance(2 * 3600 - 1)
        assert visitor.get("/api/config").status_code == (200 if clock.now - 1000 < 12 * 3600 else 401)
    clock.advance(6)
    assert visitor.get("/api/config").status_code == 401, "12 hours after the login"
    visitor.log_in()
    clock.advance(2 * 3600)
    assert visitor.get("/api/config").status_code == 401


def test_sessions_end_with_the_server(visitor: Visitor, provider: OidcProvider) -> None:
    visitor.log_in()
    visitor.served.serve_logins(oidc_config(provider))
    assert visitor.get("/api/config").status_code == 401


@pytest.mark.parametrize("end", ["logout", "revoked", "idle"])
def test_the_event_stream_of_a_session_that_has_ended_ends(visitor: Visitor, clock: FakeClock, end: str) -> None:
    visitor.log_in()
    (session,) = visitor.served.login._sessions._by_hash.values()

    async def watch() -> int:
        events = 0

        async def send(message: Any) -> None:
            nonlocal events
            events += message["type"] == "http.response.body"
            if events == 4:
                if end == "idle":
                    clock.advance(3 * 3600)
                else:
                    visitor.served.login._sessions.end(session)

        cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/api/events",
            "query_string": b"topic=fleet",
            "headers": [(b"host", b"127.0.0.1:5556"), (b"cookie", cookie.encode())],
            "client": ("127.0.0.1", 1),
        }
        visitor.served.broadcaster.start()
        try:
            await asyncio.wait_for(visitor.served.application(scope, asyncio.Event().wait, send), 30)
        finally:
            await visitor.served.broadcaster.stop()
        return events

    assert 4 <= asyncio.run(watch()) <= 6


def test_an_open_page_counts_as_use(visitor: Visitor, clock: FakeClock) -> None:
    visitor.log_in()
    (session,) = visitor.served.login._sessions._by_hash.values()
    for _ in range(3):
        clock.advance(3600)
        assert session.use()
    clock.advance(3600)
    assert visitor.get("/api/config").status_code == 200


def test_the_number_of_sessions_is_bounded(clock: FakeClock) -> None:
    sessions = Sessions(100, 1000, clock)
    tokens = []
    for _ in range(MAX_SESSIONS_OF_USER):
        tokens.append(sessions.start(User("ann"), "", "")[0])
        clock.advance(1)
    assert sessions.find(tokens[0]) is not None  # now the second one is unused for longest
    sessions.start(User("ann"), "", "")
    assert [sessions.find(token) is None for token in tokens[:3]] == [False, True, False]
    for number in range(2 * MAX_SESSIONS):
        sessions.start(User(f"user {number}"), "", "\x1b[31m" + "x" * 1_000)
    assert len(sessions._by_hash) == MAX_SESSIONS
    assert {len(one.browser) for one in sessions._by_hash.values()} == {200}
    clock.advance(100)
    sessions.start(User("ann"), "", "")
    assert len(sessions._by_hash) == 1


def test_tokens_are_neither_kept_nor_shown(visitor: Visitor) -> None:
    visitor.log_in()
    sessions = visitor.served.login._sessions
    (session,) = sessions._by_hash.values()
    (token,) = visitor.cookies.values()
    assert token not in str(sessions.__dict__) + repr(session) and session.csrf not in repr(session)


def test_a_control_request_needs_more_than_the_cookie(visitor: Visitor) -> None:
    visitor.log_in()
    response = visitor.request("POST", "/api/control", json={}, headers={"Origin": URL[:-1]})
    assert response.status_code == 403
