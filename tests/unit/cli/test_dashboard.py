"""The client for a dashboard: URLs, credentials, and servers that do not answer as a dashboard does."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from celery_gossip import InvalidOption
from celery_gossip.cli import dashboard
from celery_gossip.cli.dashboard import ask_dashboard, authorization, checked_url
from tests.support.brokers import free_port
from tests.support.tls import Authority
from tests.unit.cli.fakes import run, run_json
from tests.unit.console.test_dashboard_report import NOW, SOURCE, WORKER, answers

Respond = Callable[[BaseHTTPRequestHandler], None]


def send(request: BaseHTTPRequestHandler, body: bytes = b"", status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def as_dashboard(request: BaseHTTPRequestHandler, **rows: Any) -> None:
    """Answer as a dashboard of a release without a schedule does."""
    body = answers(**rows).get(request.path.removeprefix("/gossip/"))
    send(request, body or b"", 200 if body else 404)


@contextmanager
def serving(respond: Respond, authority: Authority | None = None) -> Iterator[str]:
    """Yield the URL of a server that answers each GET by this function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.server, authority.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'http' if authority is None else 'https'}://127.0.0.1:{server.server_address[1]}/gossip/"
        finally:
            server.shutdown()
            thread.join()


def trouble_of(url: str, auth: str = "", timeout: float = 5.0) -> str:
    (source,) = ask_dashboard(url, auth, timeout, None).report.sources
    return source.trouble.removeprefix(f"{url}: ")


# --server


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("http://127.0.0.1:5556", "http://127.0.0.1:5556/"),
        ("http://127.0.0.1:5556/", "http://127.0.0.1:5556/"),
        ("https://ops.example.com/gossip", "https://ops.example.com/gossip/"),
        ("http://[::1]:5556", "http://[::1]:5556/"),
    ],
)
def test_a_url_may_have_a_path_and_a_slash_at_its_end(url: str, checked: str) -> None:
    assert checked_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "host:5556",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://host:x",
        "http://h/?a",
        "http://h/#a",
    ],
)
def test_anything_but_a_url_of_http_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption, match="--server: expected a URL like ") as refused:
        checked_url(url)
    assert str(refused.value).endswith(f"got {url!r}")


@pytest.mark.parametrize(
    "url", ["http://ann:s3cret@host/", "http://s3cret@host", "http://host/@s3cret", "http://[s3cret@"]
)
def test_a_url_with_credentials_is_refused_without_showing_them(url: str) -> None:
    with pytest.raises(InvalidOption, match="--server: expected a URL without user and password") as refused:
        checked_url(url)
    assert "s3cret" not in str(refused.value)


# --server-auth


def a_secret(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_credentials_are_read_from_a_file(tmp_path: Path) -> None:
    login = a_secret(tmp_path, "# ours\nann:correct-horse:staple\nbob:other\n")
    assert authorization(f"basic:{login}", {}) == f"Basic {base64.b64encode(b'ann:correct-horse:staple').decode()}"
    assert authorization(f"bearer:{a_secret(tmp_path, 'a-token')}", {"GOSSIP_SERVER_TOKEN": "x"}) == "Bearer a-token"


def test_credentials_are_read_from_the_environment() -> None:
    assert authorization(None, {}) == ""
    assert authorization(None, {"GOSSIP_SERVER_TOKEN": "a-token\n"}) == "Bearer a-token"
    assert authorization(None, {"GOSSIP_SERVER_LOGIN": "ann:größe"}) == "Basic YW5uOmdyw7bDn2U="


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        ("basic", "s3cret", "--server-auth: expected user:password, got a text that is not"),
        ("basic", ":s3cret", "--server-auth: expected user:password, got a text that is not"),
        ("bearer", "s3cret s3cret", "--server-auth: expected a token of ASCII characters without spaces"),
        ("bearer", "s3créts3cret", "--server-auth: expected a token of ASCII characters without spaces"),
        ("bearer", "# s3cret", "--server-auth: expected a line with a token, got "),
        ("magic", "s3cret", "--server-auth: expected basic:FILE (a line user:password) or bearer:FILE"),
    ],
)
def test_a_file_that_holds_no_credentials_is_refused_without_showing_it(
    tmp_path: Path, kind: str, text: str, error: str
) -> None:
    with pytest.raises(InvalidOption) as refused:
        authorization(f"{kind}:{a_secret(tmp_path, text)}", {})
    assert str(refused.value).startswith(error) and "s3cr" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("basic", "got 'basic'"),
        ("bearer:", "got 'bearer:'"),
        ("s3cret:s3cret", "got 's3cret:…'"),
        ("basic:/no/such/file", "--server-auth: cannot read '/no/such/file': No such file or directory"),
    ],
)
def test_wrong_kinds_of_credentials_are_refused(kind: str, error: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        authorization(kind, {})
    assert error in str(refused.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="--server-auth: expected a file that other users cannot read"):
        authorization(f"bearer:{a_secret(tmp_path, 'a-token', 0o644)}", {})


def test_credentials_in_the_environment_are_checked_as_well() -> None:
    with pytest.raises(InvalidOption, match="^GOSSIP_SERVER_TOKEN: expected a token"):
        authorization(None, {"GOSSIP_SERVER_TOKEN": "two words"})
    with pytest.raises(InvalidOption, match="^GOSSIP_SERVER_LOGIN: expected user:password"):
        authorization(None, {"GOSSIP_SERVER_LOGIN": "ann"})


# Answers.


def test_a_dashboard_is_asked_with_the_credentials_and_its_rows_are_shown(tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Authorization"]))
        as_dashboard(request)

    with serving(respond) as url:
        done = run("status", "--server", url, "--server-auth", f"bearer:{a_secret(tmp_path, 'a-token')}")
        shown = run_json("status", "--server", url, "--max-backlog", "7")
    assert asked[:3] == [(f"/gossip/api/{name}", "Bearer a-token") for name in ("overview", "queues", "workers")]
    assert (done.exit_code, done.stderr) == (1, "")
    assert "celery@web1  suspect  4.5s" in done.stdout and "WARNING for 10s: Tasks fail." in done.stdout
    assert (shown["server"], shown["workers"], shown["sources"]) == (url, [WORKER], [SOURCE])
    assert (shown["check"]["state"], [one["state"] for one in shown["check"]["results"]]) == ("warning", ["ok"])


@pytest.mark.parametrize(
    ("respond", "text"),
    [
        (
            lambda request: send(request, status=401, WWW_Authenticate='Basic realm="x"'),
            "401: credentials are required: see --server-auth; it expects Basic",
        ),
        (lambda request: send(request, status=403), "403: credentials are required: see --server-auth"),
        (
            lambda request: send(request, b"nothing", 404),
            "404: no dashboard answers here: give the URL that `celery gossip web` prints, with its --prefix",
        ),
        (
            lambda request: send(request, b"name", 421),
            "421: the dashboard does not answer to this host name: see --allow-host of `celery gossip web`",
        ),
        (
            lambda request: send(request, b"too many wrong passwords from this address\nx", 429),
            "429: too many wrong passwords from this address",
        ),
        (lambda request: send(request, status=500), "500: Internal Server Error"),
        (
            lambda request: send(request, status=302, Location="https://login.example.com/"),
            "302: it redirects to https://login.example.com/",
        ),
        (lambda request: send(request, b"<html>"), "api/overview is not the JSON of a dashboard: JSON is malformed"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n"), "not an answer of HTTP: BadStatusLine"),
        (lambda request: None, "not an answer of HTTP: RemoteDisconnected"),
    ],
    ids=lambda value: value[:3] if isinstance(value, str) else "",
)
def test_an_answer_that_is_not_a_dashboards_says_what_came(respond: Respond, text: str) -> None:
    with serving(respond) as url:
        assert trouble_of(url).startswith(text)
        done = run("status", "--server", url, "--expect-workers", "1", "--max-backlog", "1")
        check = run("status", "--server", url, "--check")
    assert done.exit_code == check.exit_code == 3
    assert done.stderr.startswith(f"Error: {url}: {text}") and len(done.stderr.splitlines()) == 1
    assert check.stdout.startswith(f"GOSSIP UNKNOWN: {url}: {text[:40]}") and check.stderr == ""


def test_wrong_credentials_are_an_error_that_does_not_show_them() -> None:
    with serving(lambda request: send(request, status=401, WWW_Authenticate="Bearer")) as url:
        assert trouble_of(url, "Bearer s3cret") == "401: the credentials are refused; it expects Bearer"


def test_a_redirect_does_not_take_the_credentials_to_another_server() -> None:
    received: list[str | None] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        received.append(request.headers["Authorization"])
        as_dashboard(request)

    with serving(respond) as other, serving(lambda request: send(request, status=307, Location=other)) as url:
        assert trouble_of(url, "Bearer s3cret") == f"307: it redirects to {other}"
    assert received == []


def test_a_server_that_cannot_be_reached_is_unknown_and_json_is_still_an_object() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert trouble_of(url) == "cannot connect: Connection refused"
    shown = run_json("status", "--server", url)
    assert (shown["server"], shown["workers"], shown["check"]["exit_code"]) == (url, [], 3)


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        assert trouble_of(url, timeout=0.2) == "no answer within 0.2 s"


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_after_the_timeout() -> None:
    is_over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        while not is_over.wait(0.02):
            request.wfile.write(b"x")
            request.wfile.flush()

    with serving(drip) as url:
        assert trouble_of(url, timeout=0.3) == "no answer within 0.3 s"
        is_over.set()


def test_an_answer_without_an_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "_MOST_BYTES", 1000)
    with serving(lambda request: send(request, b" " * 2000)) as url:
        assert trouble_of(url) == "the answer is larger than 1000 bytes"


def test_a_certificate_must_be_that_of_an_authority_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with serving(as_dashboard, authority) as url:
        assert trouble_of(url).startswith("its certificate cannot be verified: ")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert trouble_of(url) == ""


def test_a_dashboard_that_has_just_started_is_asked_again_when_it_has_listened_for_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    listened = iter([1.5] * 4 + [2.1] * 4 + [10.0] * 8)

    def respond(request: BaseHTTPRequestHandler) -> None:
        source = {**SOURCE, "listening_since": NOW - next(listened)}
        body = answers(source).get(request.path.removeprefix("/gossip/"))
        send(request, body or b"", 200 if body else 404)

    with serving(respond) as url:
        assert ask_dashboard(url, "", 5.0, None).report.sources[0].trouble == ""
        assert slept == [pytest.approx(0.5)]
        (source,) = ask_dashboard(url, "", 5.0, 30.0).report.sources
    assert slept[1:] == [pytest.approx(20.0)]
    assert source.trouble == "the dashboard has listened on redis://here for 10.0 s only"


def test_a_text_from_a_server_is_shown_as_printable_text() -> None:
    with serving(lambda request: send(request, b"\x1b[31mred", 500)) as url:
        assert run("status", "--server", url).stderr == f"Error: {url}: 500: \\x1b[31mred\n"
