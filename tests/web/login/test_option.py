"""The file of `--auth oidc:FILE`: what it may contain, whom it admits, and that errors contain no secret."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from celery_gossip.errors import InvalidOption
from celery_gossip.web import Dashboard, WebOptions
from celery_gossip.web.auth import AuthChain, OidcAuth, parse_auth
from celery_gossip.web.login.option import NotAdmitted, OidcOptions, parse_oidc
from celery_gossip.web.login.session import User
from tests.support.oidc import OidcProvider
from tests.web.login.visitor import NAVIGATION, oidc_file

SECRET = "a-secret-of-the-client"
REQUIRED = {
    "issuer": '"https://login.example.com/realms/ops"',
    "client_id": '"gossip"',
    "client_secret": f'"{SECRET}"',
    "url": '"https://ops.example.com/gossip/"',
    "users": '["ann@example.com"]',
}


def toml(**changes: str | None) -> str:
    return "".join(f"{name} = {value}\n" for name, value in {**REQUIRED, **changes}.items() if value is not None)


def options(**changes: str | None) -> OidcOptions:
    return parse_oidc(toml(**changes), "oidc.toml")


def test_a_file_with_the_required_options_is_complete() -> None:
    found = options()
    assert found.redirect_uri == "https://ops.example.com/gossip/login/callback"
    assert (found.host, found.base_path, found.scopes) == ("ops.example.com", "/gossip", ("openid", "email", "profile"))
    assert SECRET not in repr(found) and SECRET not in repr(OidcAuth(found))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": None}, "missing required field `issuer`"),
        ({"issuer": '"http://login.example.com"'}, "issuer: expected an https URL"),
        ({"issuer": '"https://login.example.com?x=1"'}, "issuer: expected an https URL"),
        ({"issuer": '"https://login.example.com:port"'}, "issuer: expected an https URL"),
        ({"issuer": '"https://u:p@login.example.com"'}, "issuer: expected an https URL"),
        ({"issuer": '""'}, "length >= 1"),
        ({"url": '"http://ops.example.com/"'}, "url: expected the https URL of the dashboard"),
        ({"url": '"https://ops.example.com/gossip"'}, "with a slash at its end"),
        ({"url": '"https://ops.example.com/a b/"'}, "url: expected"),
        ({"url": '"/gossip/"'}, "url: expected"),
        ({"users": None}, "expected users, groups, domains, require, or allow_all_users = true"),
        ({"users": "[]"}, "expected users, groups, domains, require, or allow_all_users = true"),
        ({"allow_all_users": "true"}, "expected users, groups, domains, require, or allow_all_users = true"),
        ({"users": '"ann"'}, "users"),
        ({"scopes": '["email"]'}, "scopes: expected the scope openid"),
        ({"client_secret": "12"}, "client_secret"),
        ({"client_secet": '"x"'}, "client_secet"),
        ({"session_idle": "1"}, ">= 60"),
        ({"session_idle": "1e9"}, "<= 2592000"),
        ({"session_lifetime": "3600"}, "session_idle: expected at most session_lifetime"),
        ({"ca_file": '"/no/such/file"'}, "ca_file: expected a readable file"),
        ({"authorize_parameters": '{state = "x"}'}, "authorize_parameters: expected no parameter of OIDC"),
        ({"client_id": '"unclosed'}, "expected TOML"),
    ],
)
def test_an_invalid_file_is_refused_with_an_explanation_and_without_the_secret(
    changes: dict[str, str | None], why: str
) -> None:
    with pytest.raises(InvalidOption, match="auth: ") as refused:
        options(**changes)
    assert why in str(refused.value) and "'oidc.toml'" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5556/", "http://localhost/", "http://[::1]:5556/ops/"])
def test_without_tls_a_dashboard_with_logins_is_on_loopback(url: str) -> None:
    assert options(url=f'"{url}"').url == url


CLAIMS = {
    "sub": "1",
    "email": "ann@example.com",
    "email_verified": True,
    "preferred_username": "ann",
    "groups": ["ops", 7, ""],
    "realm_access": {"roles": ["viewer"]},
    "https://example.com/groups": "vip",
    "hd": "example.com",
}


@pytest.mark.parametrize(
    ("changes", "user"),
    [
        ({}, User("ann@example.com", ("ops",))),
        ({"users": '["bob"]', "groups": '["ops"]'}, User("ann@example.com", ("ops",))),
        ({"users": None, "domains": '["EXAMPLE.com"]'}, User("ann@example.com", ("ops",))),
        ({"users": None, "allow_all_users": "true"}, User("ann@example.com", ("ops",))),
        ({"users": None, "require": '{hd = "example.com"}'}, User("ann@example.com", ("ops",))),
        ({"require": '{hd = "example.com", email_verified = true}'}, User("ann@example.com", ("ops",))),
        ({"user_claim": '"preferred_username"', "users": '["ann"]'}, User("ann", ("ops",))),
        ({"groups_claim": '"realm_access.roles"'}, User("ann@example.com", ("viewer",))),
        ({"groups_claim": '"https://example.com/groups"'}, User("ann@example.com", ("vip",))),
        ({"groups_claim": '"email.nothing"'}, User("ann@example.com", ())),
        ({"admins": '["ann@example.com"]'}, User("ann@example.com", ("ops",), is_admin=True)),
        ({"admin_groups": '["ops"]'}, User("ann@example.com", ("ops",), is_admin=True)),
        ({"users": '["bob"]'}, None),
        ({"users": '["ANN@example.com"]'}, None),
        ({"users": None, "groups": '["dev"]'}, None),
        ({"users": None, "domains": '["ple.com"]'}, None),
        ({"require": '{hd = "other.example"}'}, None),
        ({"require": '{nothing = "x"}'}, None),
        ({"users": None, "admins": '["ann@example.com"]', "groups": '["dev"]'}, None),
        ({"user_claim": '"nothing"'}, None),
    ],
)
def test_a_user_is_admitted_by_name_group_domain_or_claim(changes: dict[str, str | None], user: User | None) -> None:
    if user is not None:
        assert options(**changes).admit(CLAIMS) == user
        return
    with pytest.raises(NotAdmitted):
        options(**changes).admit(CLAIMS)


@pytest.mark.parametrize("verified", [False, None, "false", 0, "yes", {}])
def test_an_email_address_must_be_verified(verified: Any) -> None:
    claims = {**CLAIMS, "email_verified": verified}
    with pytest.raises(NotAdmitted, match="has not verified"):
        options().admit(claims)
    by_domain = options(users=None, domains='["example.com"]', user_claim='"preferred_username"')
    with pytest.raises(NotAdmitted, match="nor the domain"):
        by_domain.admit(claims)
    assert options(trust_unverified_email="true").admit(claims).name == "ann@example.com"


def test_groups_that_entra_leaves_out_are_explained() -> None:
    with pytest.raises(NotAdmitted, match="application roles"):
        options(users=None, groups='["dev"]').admit({**CLAIMS, "_claim_names": {"groups": "src1"}})


def test_the_number_and_length_of_groups_are_bounded() -> None:
    groups = options().admit({**CLAIMS, "groups": ["x" * 201, *map(str, range(2_000))]}).groups
    assert len(groups) == 500 and groups[0] == "0"


def test_the_file_is_read_by_auth_and_other_users_may_not_read_it(tmp_path: Path) -> None:
    path, tokens = tmp_path / "oidc.toml", tmp_path / "tokens"
    path.write_text(toml())
    tokens.write_text("a-token-for-scripts\n")
    for file in (path, tokens):
        file.chmod(0o600)
    assert isinstance(parse_auth(f"oidc:{path}"), OidcAuth)
    chain = parse_auth(f"oidc:{path}", f"bearer:{tokens}")
    assert isinstance(chain, AuthChain) and chain.challenge.startswith("Bearer ")
    assert chain.identify({"authorization": "Bearer a-token-for-scripts"}, "") == "token 1"
    with pytest.raises(InvalidOption, match="each kind once, got oidc several times"):
        parse_auth(f"oidc:{path}", f"oidc:{path}")
    path.chmod(0o644)
    with pytest.raises(InvalidOption, match="chmod"):
        parse_auth(f"oidc:{path}")


def test_the_host_of_the_url_is_allowed_and_its_path_must_be_the_prefix() -> None:
    auth = OidcAuth(options())
    assert "ops.example.com" in WebOptions(auth=auth, prefix="/gossip").allowed_hosts
    with pytest.raises(
        InvalidOption, match="prefix: expected the path of url in the file of oidc, '/gossip', got '/ops'"
    ):
        WebOptions(auth=auth, prefix="/ops")


BLOCKED = """
import sys
blocked = sys.argv[2].split()
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
from celery_gossip.web import Dashboard, parse_auth
from celery_gossip.errors import InvalidOption
try:
    parse_auth(f"oidc:{sys.argv[1]}")
except InvalidOption as exc:
    print(exc)
print(*sorted({"authlib", "httpx2", "joserfc"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("missing", ["authlib", "httpx2", "joserfc"])
def test_without_the_extra_logins_are_refused_and_the_rest_works(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "oidc.toml"
    path.write_text(toml())
    path.chmod(0o600)
    command = [sys.executable, "-c", BLOCKED, str(path), missing]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert f"auth: oidc needs {missing}" in ran.stdout and 'pip install "celery-gossip[oidc]"' in ran.stdout


def test_the_library_is_imported_only_for_logins() -> None:
    program = "import sys; import celery_gossip.web; print({'authlib', 'httpx2', 'joserfc'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize(
    ("prefix", "path", "is_mounted"),
    [
        ("", "/gossip/queues/0/a%2Fb?x=1", True),
        ("/gossip", "/gossip/queues/0/a%2Fb?x=1", False),
        ("/gossip", "/queues/0/a%2Fb?x=1", False),
    ],
)
def test_below_a_prefix_a_login_leads_to_the_external_address(
    provider: OidcProvider, tmp_path: Path, prefix: str, path: str, is_mounted: bool
) -> None:
    auth = parse_auth(f"oidc:{oidc_file(tmp_path, provider, url='https://ops.example.com/gossip/')}")

    async def visit() -> list[httpx.Response]:
        dashboard = Dashboard([], WebOptions(auth=auth, prefix=prefix))
        at_provider = httpx.AsyncClient()
        app: Any = Starlette(routes=[Mount("/gossip", dashboard)]) if is_mounted else dashboard
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="https://ops.example.com", headers=NAVIGATION
        ) as client:
            page = await client.get(path)
            start = "/gossip/login" if is_mounted or path.startswith("/gossip") else "/login"
            login = await client.get(f"{start}?{page.headers['location'].partition('?')[2]}")
            back = await client.get((await at_provider.get(login.headers["location"])).headers["location"])
            home = await client.get("/gossip/api/config")
        await dashboard.shutdown()
        await at_provider.aclose()
        return [page, login, back, home]

    page, login, back, home = asyncio.run(visit())
    assert page.headers["location"] == "https://ops.example.com/gossip/login?next=queues%2F0%2Fa%252Fb%3Fx%3D1"
    assert "ops.example.com%2Fgossip%2Flogin%2Fcallback" in login.headers["location"]
    assert (back.status_code, back.headers["location"]) == (303, "https://ops.example.com/gossip/queues/0/a%2Fb?x=1")
    assert home.json()["user"] == "ann@example.com"
