"""Authentication of requests, and values of `--auth`, whose errors contain no secret."""

import base64
from pathlib import Path

import pytest

from celery_gossip.errors import InvalidOption
from celery_gossip.web.auth import Auth, BasicAuth, BearerAuth, HeaderAuth, parse_auth
from celery_gossip.web.option import WebOptions

PASSWORD = "correct horse"
TOKEN = "t0ken-of-thirty-letters"


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "secrets"
    path.write_text(f"# viewers\nann:{PASSWORD}\nbob:another password\n")
    path.chmod(0o600)
    return path


def test_users_are_authenticated_by_their_passwords(secrets: Path) -> None:
    auth = parse_auth(f"basic:{secrets}")
    assert auth.identify(basic("ann", PASSWORD), "") == "ann"
    assert auth.identify(basic("bob", "another password"), "") == "bob"
    for headers in (basic("ann", "another password"), basic("eve", PASSWORD), basic("", ""), {}):
        assert auth.identify(headers, "") is None
    assert auth.challenge.startswith("Basic ")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Bearer x", "basic " + "A" * 10_001, ""])
def test_invalid_credentials_authenticate_no_user(secrets: Path, header: str) -> None:
    assert parse_auth(f"basic:{secrets}").identify({"authorization": header}, "") is None


def test_programs_are_authenticated_by_a_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\nanother-token-is-here\n")
    path.chmod(0o600)
    auth = parse_auth(f"bearer:{path}")
    assert auth.identify({"authorization": f"Bearer {TOKEN}"}, "") == "token 1"
    assert auth.identify({"authorization": "Bearer another-token-is-here"}, "") == "token 2"
    for header in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer", "Bearer é"):
        assert auth.identify({"authorization": header}, "") is None


def test_a_proxy_header_is_accepted_only_from_the_address_of_the_proxy() -> None:
    auth = parse_auth("header:X-Forwarded-User@127.0.0.1,10.1.0.0/16")
    headers = {"x-forwarded-user": "ann"}
    assert auth.identify(headers, "127.0.0.1") == auth.identify(headers, "10.1.2.3") == "ann"
    assert auth.identify(headers, "::ffff:10.1.2.3") == "ann"
    for peer in ("10.2.0.1", "::ffff:10.2.0.1", "::1", "", "unix"):
        assert auth.identify(headers, peer) is None
    mapped = parse_auth("header:X-Forwarded-User@::ffff:10.1.2.0/120")
    assert mapped.identify(headers, "::ffff:10.1.2.3") == "ann" and mapped.identify(headers, "10.1.2.3") is None
    assert auth.identify({}, "127.0.0.1") is auth.identify({"x-forwarded-user": " "}, "127.0.0.1") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("magic", "expected basic:FILE"),
        ("basic:", "expected basic:FILE"),
        ("header:X-User", "expected basic:FILE"),
        ("header:X User@127.0.0.1", "the name of a header"),
        ("header:X-User@everywhere", "the addresses of proxies"),
        ("basic:/no/such/file", "cannot read '/no/such/file'"),
    ],
)
def test_an_invalid_auth_is_refused_with_an_explanation(text: str, why: str) -> None:
    with pytest.raises(InvalidOption, match=f"auth: .*{why}"):
        parse_auth(text)


@pytest.mark.parametrize("content", ["", "# nothing\n", "ann\n", "ann:short\n", f":{PASSWORD}\n"])
def test_a_file_without_valid_passwords_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(InvalidOption) as refused:
        parse_auth(f"basic:{path}")
    assert "short" not in str(refused.value) and PASSWORD not in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620])
def test_a_file_that_other_users_can_read_is_refused(secrets: Path, mode: int) -> None:
    secrets.chmod(mode)
    with pytest.raises(InvalidOption, match="chmod"):
        parse_auth(f"basic:{secrets}")


@pytest.mark.parametrize("auth", [BasicAuth({"ann": PASSWORD}), BearerAuth((TOKEN,))])
def test_secrets_are_not_in_a_repr(auth: Auth) -> None:
    assert PASSWORD not in repr(auth) and TOKEN not in repr(auth)


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_needs_no_auth(bind: str) -> None:
    assert bind in WebOptions(bind=bind).allowed_hosts


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "10.0.0.5", "ops.example.com", "", "127.0.0.1.example.com"])
def test_every_other_address_needs_auth(bind: str) -> None:
    with pytest.raises(InvalidOption, match="bind: expected a loopback address where there is no auth"):
        WebOptions(bind=bind)
    auth = HeaderAuth("X-User", ("127.0.0.1",))
    assert (bind in WebOptions(bind=bind, auth=auth).allowed_hosts) == (bind not in ("0.0.0.0", "::", ""))


def test_controls_need_auth() -> None:
    with pytest.raises(InvalidOption, match="allow_control: expected auth"):
        WebOptions(allow_control=True)


@pytest.mark.parametrize("field", [{"hosts": ("a b",)}, {"hosts": ("a:80",)}, {"prefix": "ops"}, {"prefix": "/ops/"}])
def test_invalid_hosts_and_prefixes_are_refused(field: dict[str, str]) -> None:
    with pytest.raises(InvalidOption, match=f"{next(iter(field))}: expected"):
        WebOptions(**field)
