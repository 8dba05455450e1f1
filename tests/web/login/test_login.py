"""Logins through a provider on loopback: what is accepted, and everything that is refused."""

import asyncio
import re
import time
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from celery_gossip.web.auth import BasicAuth, BearerAuth
from tests.support.brokers import free_port
from tests.support.oidc import OidcProvider
from tests.unit.build import FakeClock
from tests.web.login.visitor import URL, Visitor, oidc_config
from tests.web.served import ANN, Served


def test_a_user_logs_in_and_is_known_until_they_log_out(visitor: Visitor) -> None:
    assert visitor.get("/api/config").status_code == 401
    response = visitor.log_in()
    assert (response.status_code, response.headers["location"]) == (303, URL)
    assert visitor.config()["user"] == "ann@example.com" and visitor.get("/api/queues").status_code == 200
    assert visitor.post("/api/logout").json()["sessions"] == []
    assert visitor.get("/api/config").status_code == 401
    page = visitor.open("/logged-out")
    assert page.status_code == 200 and f'href="{URL}login"' in page.text


def test_without_a_session_pages_lead_to_the_login_and_other_requests_are_refused(visitor: Visitor) -> None:
    assert visitor.open("/").headers["location"] == f"{URL}login"
    assert (
        visitor.open("/queues/0/a%2Fb?range=1h").headers["location"]
        == f"{URL}login?next=queues%2F0%2Fa%252Fb%3Frange%3D1h"
    )
    for path in ("/api/queues", "/api/events?topic=fleet", "/static/0/main.js", "/metrics"):
        assert visitor.open(path).status_code == 401, path
    assert visitor.get("/", Accept="application/json").status_code == 401
    assert visitor.get("/", Accept="text/html", **{"Sec-Fetch-Mode": "cors"}).status_code == 401
    assert visitor.request("POST", "/", headers={"Accept": "text/html"}).status_code == 401
    assert visitor.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["queues/0/mail?range=1h", "queues/0/a%2Fb", "workers?q=celery%40web1&sort=-name"])
def test_a_login_returns_to_the_address_that_was_opened(visitor: Visitor, path: str) -> None:
    login = visitor.open(f"/{path}").headers["location"].removeprefix(URL)
    assert visitor.log_in(f"/{login}").headers["location"] == URL + path


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/queues",
        "javascript:alert(1)",
        "../other-app",
        "queues/../../other-app",
        "queues/%2e%2e/%2E./other-app",
        "queues\r\nSet-Cookie: a=b",
        "queues#fragment",
        "queues\t",
        "é",
        "q" * 3_000,
    ],
)
def test_a_login_never_leads_to_another_site_or_application(visitor: Visitor, target: str) -> None:
    assert visitor.log_in(f"/login?next={quote(target, safe='')}").headers["location"] == URL


def test_the_cookies_are_of_this_host_only_and_not_for_scripts(visitor: Visitor, provider: OidcProvider) -> None:
    cookies = visitor.open("/login").headers.get_list("set-cookie") + visitor.log_in().headers.get_list("set-cookie")
    assert len(cookies) == 3
    for cookie in cookies:
        assert re.fullmatch(
            r"gossip-(login|session)-[0-9a-f]{8}=\S*; Max-Age=\d+; Path=/; HttpOnly; SameSite=Lax", cookie
        )
    visitor.served.serve_logins(oidc_config(provider, url="https://gossip.example/ops/"))
    response = visitor.open("/login")
    (cookie,) = response.headers.get_list("set-cookie")
    assert re.fullmatch(
        r"__Host-gossip-login-\w{8}=\S{43}; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure", cookie
    )
    query = parse_qs(urlsplit(response.headers["location"]).query)
    assert query["redirect_uri"] == ["https://gossip.example/ops/login/callback"]


def test_responses_around_a_login_are_not_cached_and_have_the_strict_policy(visitor: Visitor) -> None:
    responses = [visitor.open("/login"), visitor.log_in(), visitor.open("/login/callback"), visitor.open("/logged-out")]
    for response in responses:
        assert response.headers["cache-control"] == "no-store"
        assert "form-action 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in response.text and "style=" not in response.text
    assert visitor.get("/login/style.css").status_code == 200


def test_the_token_of_a_session_is_new_at_every_login_and_never_the_browsers_choice(visitor: Visitor) -> None:
    name = visitor.served.login._cookies.name("session")
    visitor.cookies[name] = "chosen-by-an-attacker"
    visitor.log_in()
    first = visitor.cookies[name]
    assert first != "chosen-by-an-attacker" and len(first) == 43
    visitor.log_in()
    assert visitor.cookies[name] != first
    other = Visitor(visitor.served, visitor.provider)
    other.cookies[name] = first
    assert other.get("/api/config").status_code == 401, "the session before ends with the new login"


def test_a_session_cookie_that_occurs_twice_is_not_used(visitor: Visitor) -> None:
    visitor.log_in()
    name = visitor.served.login._cookies.name("session")
    cookie = f"{name}={visitor.cookies[name]}"
    assert visitor.served.get("/api/config", headers={"Cookie": f"a=b; {cookie}"}).status_code == 200
    assert visitor.served.get("/api/config", headers={"Cookie": f"{cookie}; {name}=x"}).status_code == 401
    headers = [("Cookie", cookie), ("Cookie", f"{name}=x")]
    assert visitor.served.get("/api/config", headers=headers).status_code == 401
    assert visitor.served.get("/api/config", headers=[("Cookie", "a=b"), ("Cookie", cookie)]).status_code == 200


def test_the_response_to_another_browsers_login_is_refused(visitor: Visitor) -> None:
    """An attacker sends a link that would log the victim in as the attacker."""
    attacker = Visitor(visitor.served, visitor.provider)
    callback = attacker.authorize()
    without_cookie = visitor.return_to(callback)
    assert without_cookie.status_code == 400 and "no cookie" in without_cookie.text
    visitor.open("/login")
    with_own_cookie = visitor.return_to(callback)
    assert with_own_cookie.status_code == 400 and "another browser" in with_own_cookie.text
    assert visitor.get("/api/config").status_code == 401
    assert attacker.return_to(callback).status_code == 303


@pytest.mark.parametrize(
    "change", ["state=x", "state=", "state=AAAA.BBBB", "state=%C3%A9", "iss=https%3A%2F%2Fevil.example"]
)
def test_a_changed_response_of_the_provider_is_refused(visitor: Visitor, change: str) -> None:
    callback = visitor.authorize()
    name = change.partition("=")[0]
    assert visitor.return_to(re.sub(rf"{name}=[^&]*", change, callback)).status_code == 400
    assert visitor.get("/api/config").status_code == 401


def test_a_login_expires_after_ten_minutes(visitor: Visitor, clock: FakeClock) -> None:
    callback = visitor.authorize()
    clock.advance(601)
    assert visitor.return_to(callback).status_code == 400


def test_two_tabs_can_log_in_at_the_same_time(visitor: Visitor) -> None:
    first, second = visitor.authorize("/login?next=queues"), visitor.authorize("/login?next=workers")
    assert visitor.return_to(second).headers["location"] == f"{URL}workers"
    visitor.cookies.clear()
    again = [visitor.authorize("/login?next=queues"), visitor.authorize("/login?next=workers")]
    assert visitor.return_to(again[0]).headers["location"] == f"{URL}queues"
    assert visitor.return_to(first).status_code == 400


def test_a_code_can_be_used_once(visitor: Visitor) -> None:
    callback, cookies = visitor.authorize(), dict(visitor.cookies)
    assert visitor.return_to(callback).status_code == 303
    visitor.cookies = cookies
    assert visitor.return_to(callback).status_code == 400


@pytest.mark.parametrize(
    "fault",
    [
        "wrong nonce",
        "without nonce",
        "wrong audience",
        "without aud",
        "two audiences",
        "another party",
        "wrong issuer",
        "expired",
        "without exp",
        "without iat",
        "without sub",
        "of the future",
        "unsigned",
        "signed with the public key",
        "another key",
        "no ID token",
        "wrong token hash",
    ],
)
def test_an_invalid_id_token_is_refused(
    visitor: Visitor, provider: OidcProvider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    callback = visitor.authorize()
    provider.faults = {fault}
    response = visitor.return_to(callback)
    assert (response.status_code, response.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "not valid" in response.text and visitor.get("/api/config").status_code == 401
    assert "a login from '127.0.0.1' fails: " in caplog.text and "s3cret" not in caplog.text


def test_a_token_of_two_audiences_is_accepted_if_it_was_issued_to_this_client(
    visitor: Visitor, provider: OidcProvider
) -> None:
    provider.faults = {"two audiences"}
    provider.claims["azp"] = oidc_config(provider).client_id
    assert visitor.log_in().status_code == 303


@pytest.mark.parametrize(("curve", "algorithm"), [("", "PS384"), ("P-256", "ES256"), ("P-521", "ES512")])
def test_other_signatures_with_a_key_pair_are_accepted(
    visitor: Visitor, provider: OidcProvider, curve: str, algorithm: str
) -> None:
    key = ECKey.generate_key(curve, {"kid": "k"}) if curve else RSAKey.generate_key(2048, {"kid": "k"})
    provider.use_key(key, algorithm)
    assert visitor.log_in().status_code == 303


def test_new_keys_of_the_provider_are_read(visitor: Visitor, provider: OidcProvider) -> None:
    visitor.log_in()
    visitor.served.login._provider._clock = lambda: time.time() + 40
    provider.use_key(RSAKey.generate_key(2048, {"kid": "two"}))
    assert visitor.log_in().status_code == 303
    provider.use_key(RSAKey.generate_key(2048, {"kid": "three"}))
    assert visitor.log_in().status_code == 400, "not again within half a minute"


def test_the_providers_configuration_is_read_once(visitor: Visitor, provider: OidcProvider) -> None:
    visitor.log_in()
    visitor.log_in()
    assert provider.paths == ["openid-configuration", "keys", "token", "token"]


def test_a_client_secret_is_sent_as_the_provider_expects(visitor: Visitor, provider: OidcProvider) -> None:
    provider.faults = {"post only"}
    assert visitor.log_in().status_code == 303


def test_claims_that_the_id_token_lacks_are_read_from_the_userinfo_endpoint(
    visitor: Visitor, provider: OidcProvider
) -> None:
    provider.claims = {"sub": "bob-1"}
    provider.userinfo = {"sub": "bob-1", "email": "bob@example.com", "email_verified": True}
    assert visitor.log_in().status_code == 303 and visitor.config()["user"] == "bob@example.com"
    provider.claims["email"] = "eve@example.com"
    assert visitor.log_in().status_code == 403, "another address than the verified one"
    provider.userinfo["sub"] = "eve-1"
    assert visitor.log_in().status_code == 400


@pytest.mark.parametrize("fault", ["down", "huge", "not an object", "other issuer", "plain endpoint"])
def test_a_provider_that_does_not_work_is_reported_and_sessions_go_on(
    visitor: Visitor, provider: OidcProvider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    visitor.log_in()
    visitor.served.login._provider._metadata = None
    provider.faults = {fault}
    response = visitor.open("/login")
    assert response.status_code == 502 and "does not respond as expected" in response.text
    assert "the provider of logins cannot be used: " in caplog.text
    assert visitor.get("/api/queues").status_code == 200
    provider.faults = set()
    assert visitor.log_in().status_code == 303


def test_a_provider_that_fails_during_a_login_is_reported(visitor: Visitor, provider: OidcProvider) -> None:
    callback = visitor.authorize()
    provider.faults = {"not an object"}
    assert visitor.return_to(callback).status_code == 502


def test_a_provider_that_cannot_be_reached_is_reported(visitor: Visitor, provider: OidcProvider) -> None:
    visitor.served.serve_logins(oidc_config(provider, issuer=f"http://127.0.0.1:{free_port()}"))
    assert visitor.open("/login").status_code == 502


def test_a_provider_that_does_not_respond_blocks_nothing(visitor: Visitor, provider: OidcProvider) -> None:
    provider.faults = {"held"}

    async def visit() -> tuple[list[httpx.Response], bool, httpx.Response]:
        login = asyncio.create_task(visitor.served.request_async("GET", "/login"))
        while not provider.paths:
            await asyncio.sleep(0.02)
        others = [await visitor.served.request_async("GET", "/healthz") for _ in range(5)]
        was_waiting = not login.done()
        provider.faults = set()
        return others, was_waiting, await login

    others, was_waiting, response = asyncio.run(visit())
    assert was_waiting and {other.status_code for other in others} == {200}
    assert response.status_code == 303


def test_a_provider_that_does_not_respond_has_a_deadline(visitor: Visitor, provider: OidcProvider) -> None:
    provider.faults = {"held"}
    visitor.served.login._provider._timeout = 0.3
    try:
        assert visitor.open("/login").status_code == 502
    finally:
        provider.faults = set()


def test_only_a_few_logins_wait_for_the_provider_at_once(visitor: Visitor, provider: OidcProvider) -> None:
    provider.faults = {"held"}

    async def visit() -> list[int]:
        logins = [asyncio.create_task(visitor.served.request_async("GET", "/login")) for _ in range(20)]
        while sum(login.done() for login in logins) < 4:
            await asyncio.sleep(0.02)
        provider.faults = set()
        return [response.status_code for response in await asyncio.gather(*logins)]

    assert sorted(asyncio.run(visit())) == [303] * 16 + [503] * 4


def test_failing_logins_from_one_address_are_throttled(
    visitor: Visitor, provider: OidcProvider, clock: FakeClock
) -> None:
    callback = visitor.authorize()
    wrong = re.sub(r"code=[^&]*", "code=guess", callback)
    assert [visitor.return_to(wrong).status_code for _ in range(10)] == [400] * 10
    refused = visitor.return_to(callback)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    clock.advance(61)
    assert visitor.return_to(callback).status_code == 303


def test_a_login_that_the_provider_denies_is_shown_without_its_markup(visitor: Visitor, provider: OidcProvider) -> None:
    provider.faults = {"denied"}
    callback = visitor.authorize()
    response = visitor.return_to(callback)
    assert response.status_code == 403 and "access_denied" in response.text
    response = visitor.return_to(callback.replace("access_denied", quote("<b>&'\"")))
    assert response.status_code == 403 and "&lt;b&gt;&amp;" in response.text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "eve@evil.example"}, "neither the user"),
        ({"email": "eve@example.com", "email_verified": False}, "has not verified"),
        ({"email": "eve@example.com.evil.example"}, "neither the user"),
        ({"email": "eve smith@example.com"}, "has spaces"),
        ({"email": "eve\n@example.com"}, "has spaces"),
        ({"email": "e" * 101 + "@example.com"}, "too long"),
        ({"email": ["eve@example.com"]}, "is missing"),
        ({"email": None}, "is missing"),
    ],
)
def test_a_user_who_is_not_admitted_is_refused(
    visitor: Visitor, provider: OidcProvider, claims: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.claims |= claims
    response = visitor.log_in()
    assert response.status_code == 403 and "may not use this dashboard" in response.text
    assert visitor.get("/api/config").status_code == 401 and why in caplog.text


def test_scripts_use_other_credentials_beside_logins(visitor: Visitor, provider: OidcProvider) -> None:
    others = (BearerAuth(("t0ken-of-thirty-letters",)), BasicAuth(dict([ANN])))
    visitor.served.serve_logins(oidc_config(provider), *others)
    config = visitor.get("/api/config", Authorization="Bearer t0ken-of-thirty-letters").json()
    assert config["user"] == "token 1" and config["session"] is None
    assert visitor.served.get("/api/config", auth=ANN).json()["user"] == "ann"
    assert visitor.served.get("/", auth=("ann", "wrong password"), headers={"Accept": "text/html"}).status_code == 401
    challenge = visitor.get("/api/config").headers["www-authenticate"]
    assert challenge.startswith("Bearer ") and ", Basic " in challenge
    from_page = visitor.get("/api/config", **{"Sec-Fetch-Site": "same-origin"})
    assert from_page.status_code == 401 and "www-authenticate" not in from_page.headers, "no question for a password"
    assert visitor.log_in().status_code == 303 and visitor.config()["user"] == "ann@example.com"


def test_without_logins_every_route_of_them_is_refused(served: Served) -> None:
    for path in ("/login", "/login/callback", "/logged-out", "/api/sessions"):
        response = served.get(path)
        assert response.status_code == 404 and "logins are off" in response.text
    assert served.request("POST", "/api/logout", headers={"X-Gossip-CSRF": "x"}).status_code == 404
    assert served.get("/login", headers={"Host": "evil.example"}).status_code == 421
