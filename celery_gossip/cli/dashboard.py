"""A client for the JSON API of `celery gossip web`, with nothing but the standard library. Called by `status --server`.

Certificates are verified, and redirects are not followed, because they would take the credentials to another server.
"""

import base64
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from celery_gossip.cli.secret_file import read_secret_lines
from celery_gossip.console.dashboard_report import (
    BALANCE,
    BEATS,
    FAILURES,
    PATHS,
    report_from,
    running_paths,
    worker_paths,
)
from celery_gossip.console.found import search_paths
from celery_gossip.console.report import Answer, Report, SourceRow
from celery_gossip.console.worker_detail import not_in_view
from celery_gossip.errors import GossipError, InvalidOption
from celery_gossip.printable import printable

__all__ = ["LEAST_LISTENED", "LOGIN_VARIABLE", "TOKEN_VARIABLE", "ask_dashboard", "authorization", "checked_url"]

LOGIN_VARIABLE = "GOSSIP_SERVER_LOGIN"  #: environment variable with `user:password`, for basic authentication
TOKEN_VARIABLE = "GOSSIP_SERVER_TOKEN"  #: environment variable with a bearer token # noqa: S105 - no password
LEAST_LISTENED = 2.0  #: seconds in which every worker with the default interval reports, stalled ones included

_MOST_BYTES = 64 * 2**20  #: of an answer; a thousand workers with a thousand queues need less than 1 MiB
_MOST_TEXT = 300  #: characters of an error that a server sent
_KINDS = "expected basic:FILE (a line user:password) or bearer:FILE (a line with a token)"
_HINTS = {
    404: "no dashboard answers here: give the URL that `celery gossip web` prints, with its --prefix",
    421: "the dashboard does not answer to this host name: see --allow-host of `celery gossip web`",
}

_Value = TypeVar("_Value")


class _Unavailable(GossipError):
    """The dashboard cannot be asked."""


class _Missing(_Unavailable):
    """The dashboard has no such path."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Return None: urllib then raises the HTTPError of the redirect."""


def checked_url(url: str) -> str:
    """Return the URL of a dashboard with a slash at its end. Raises InvalidOption, which shows no password."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right, parts = False, urlsplit("")
    if "@" in url:
        raise InvalidOption(
            "--server: expected a URL without user and password, which the process list would show: see --server-auth"
        )
    if not is_right or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise InvalidOption(f"--server: expected a URL like 'https://ops.example.com/gossip/', got {url!r}")
    return url.rstrip("/") + "/"


def authorization(kind: str | None, environ: Mapping[str, str]) -> str:
    """Return the Authorization header for `--server-auth KIND`, else for the environment; empty without credentials.

    Raises InvalidOption, which shows no secret.
    """
    if kind is None:
        if token := environ.get(TOKEN_VARIABLE, "").strip():
            return _bearer(TOKEN_VARIABLE, token)
        login = environ.get(LOGIN_VARIABLE, "").strip()
        return _basic(LOGIN_VARIABLE, login) if login else ""
    name, _, path = kind.partition(":")
    builders: dict[str, Callable[[str, str], str]] = {"basic": _basic, "bearer": _bearer}
    if name not in builders or not path:
        raise InvalidOption(f"--server-auth: {_KINDS}, got {name + ':…' if path else kind!r}")
    expected = "a line user:password" if name == "basic" else "a line with a token"
    (_, secret), *_ = read_secret_lines("--server-auth", path, expected)
    return builders[name]("--server-auth", secret)


def _basic(option: str, login: str) -> str:
    if not login.partition(":")[0] or ":" not in login:
        raise InvalidOption(f"{option}: expected user:password, got a text that is not")
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _bearer(option: str, token: str) -> str:
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InvalidOption(f"{option}: expected a token of ASCII characters without spaces, got another text")
    return f"Bearer {token}"


def ask_dashboard(  # noqa: PLR0913 - one argument for each option of the command
    url: str,
    auth: str,
    timeout: float,
    wait: float | None,
    tasks: Sequence[str] | None = None,
    *,
    with_balance: bool = False,
    with_failures: bool = False,
    find: Sequence[str] = (),
    hostnames: Sequence[str] = (),
) -> Answer:
    """Return what a dashboard knows; an error is in the answer's report.

    `tasks` asks for the running tasks with one of these ids or names; empty for all, None for none; `with_balance` for
    what was sent to each queue; `with_failures` for the last failures; `find` for the tasks with these ids; `hostnames`
    for the details of these workers.

    A dashboard that has listened for less than `wait` seconds (default: 2) is asked again when it has. Blocks for at
    most `timeout` seconds beyond that.
    """
    asked = [path for path, is_asked in ((BALANCE, with_balance), (FAILURES, with_failures)) if is_asked]
    paths = (*PATHS, *(() if tasks is None else running_paths(tasks)), *asked, *search_paths(find))
    ask = partial(_report, url, paths, auth, timeout, hostnames=hostnames)
    try:
        report, rows = _with_deadline(timeout, lambda: ask(0.0))
        needed = LEAST_LISTENED if wait is None else wait
        listened = min((one.listened for one in report.sources if not one.trouble), default=needed)
        if listened < needed:
            time.sleep(needed - listened)
            report, rows = _with_deadline(timeout, lambda: ask(needed))
    except GossipError as exc:
        text = f"{url}: {exc}"
        report = Report(sources=(SourceRow(trouble=text),))
        return Answer(report=report, objects={"server": url, **_NO_ROWS}, errors=(f"Error: {printable(text)}",))
    missing = tuple(not_in_view(report.details or (), hostnames))
    return Answer(report=report, objects={"server": url, **rows}, errors=missing)


_NO_ROWS: dict[str, Any] = {name: [] for name in ("sources", "workers", "queues", "findings", "beats", "schedule")}


def _report(  # noqa: PLR0913 - what to ask, and how
    url: str, paths: Sequence[str], auth: str, timeout: float, least_listened: float, *, hostnames: Sequence[str]
) -> tuple[Report, dict[str, Any]]:
    opener = build_opener(_NoRedirects)
    answers = {path: _fetch(opener, url + path, auth, timeout) for path in paths}
    with suppress(_Missing):
        answers[BEATS] = _fetch(opener, url + BEATS, auth, timeout)
    try:
        for path in worker_paths(answers["api/overview"], hostnames) if hostnames else ():
            with suppress(_Missing):  # not on this source
                answers[path] = _fetch(opener, url + path, auth, timeout)
        return report_from(answers, least_listened)
    except ValueError as exc:
        raise _Unavailable(str(exc)) from exc


def _fetch(opener: OpenerDirector, url: str, auth: str, timeout: float) -> bytes:
    headers = {"Accept": "application/json", **({"Authorization": auth} if auth else {})}
    try:
        with opener.open(Request(url, headers=headers), timeout=timeout) as response:  # noqa: S310 - http or https
            body: bytes = response.read(_MOST_BYTES + 1)
    except HTTPError as exc:
        with exc:
            _refused(exc, has_credentials=bool(auth))
    except TimeoutError as exc:
        raise _Unavailable(f"no answer within {timeout:.3g} s") from exc
    except URLError as exc:
        raise _Unavailable(_reason(exc)) from exc
    except Exception as exc:  # http.client's, for what is not HTTP
        raise _Unavailable(f"not an answer of HTTP: {type(exc).__name__}: {exc}"[:_MOST_TEXT]) from exc
    if len(body) > _MOST_BYTES:
        raise _Unavailable(f"the answer is larger than {_MOST_BYTES} bytes")
    return body


def _reason(exc: URLError) -> str:
    reason = exc.reason
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    text = str(getattr(reason, "strerror", None) or reason)
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return (
            f"its certificate cannot be verified: {getattr(reason, 'verify_message', text)}; a private authority's "
            "certificate is read from the file that SSL_CERT_FILE names"
        )
    return f"cannot connect: {text}"


def _refused(exc: HTTPError, *, has_credentials: bool) -> NoReturn:
    if exc.code in (401, 403):
        scheme = (exc.headers.get("WWW-Authenticate") or "").partition(" ")[0]
        expects = f"; it expects {scheme}" if scheme else ""
        found = "the credentials are refused" if has_credentials else "credentials are required: see --server-auth"
        raise _Unavailable(f"{exc.code}: {found}{expects}")
    if 300 <= exc.code < 400:
        raise _Unavailable(f"{exc.code}: it redirects to {exc.headers.get('Location', 'nowhere')[:_MOST_TEXT]}")
    if exc.code == 404:
        raise _Missing(f"404: {_HINTS[404]}")
    text = exc.read(_MOST_TEXT).decode(errors="replace").partition("\n")[0]
    raise _Unavailable(f"{exc.code}: {_HINTS.get(exc.code) or text or exc.reason}")


def _with_deadline(seconds: float, work: Callable[[], _Value]) -> _Value:
    """Return the result of `work`, or raise _Unavailable after so many seconds.

    The timeout of urllib is for each read. It limits neither the lookup of a name nor a server that sends a byte now
    and then, so the work runs on a thread that is left behind.
    """
    results: list[_Value] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as exc:
            errors.append(exc)

    thread = threading.Thread(target=run, name="celery-gossip-dashboard", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise _Unavailable(f"no answer within {seconds:.3g} s")
    return results[0]
