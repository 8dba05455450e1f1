"""Logins in a real Chromium, at `celery gossip web` with a provider on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import eventually
from tests.support.brokers import free_port
from tests.support.oidc import OidcProvider
from tests.support.workers import Project
from tests.web.browser import Browser, browsing
from tests.web.login.visitor import oidc_file
from tests.web.web_command import running_dashboard

PATIENCE = 30.0  #: seconds for a page, which may be at the end of several redirects
pytestmark = [pytest.mark.redis, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@dataclass(frozen=True)
class Scene:
    """A running dashboard, and the provider of its users."""

    url: str
    provider: OidcProvider

    @contextmanager
    def logged_in_as(self, name: str) -> Iterator[httpx.Client]:
        """Log a user in with another browser."""
        before = self.provider.claims
        self.provider.claims = {**before, "sub": name, "email": f"{name}@example.com"}
        headers = {"Accept": "text/html", "User-Agent": "Firefox/1 Linux"}
        with httpx.Client(headers=headers, follow_redirects=True) as client:
            assert client.get(self.url).status_code == 200
            self.provider.claims = before
            yield client


@pytest.fixture
def scene(browser: Browser, redis_project: Project, provider: OidcProvider, tmp_path: Path) -> Iterator[Scene]:
    port = free_port()
    file = oidc_file(tmp_path, provider, url=f"http://127.0.0.1:{port}/")
    with running_dashboard(redis_project, "--port", str(port), "--auth", f"oidc:{file}") as dashboard:
        browser.reset()
        yield Scene(dashboard.url, provider)
        browser.driver.delete_all_cookies()


def test_a_user_logs_in_works_and_logs_out(browser: Browser, scene: Scene) -> None:
    browser.open(f"{scene.url}queues?q=mail")
    browser.await_text("ann@example.com", "no queue", timeout=PATIENCE)
    assert browser.driver.current_url == f"{scene.url}queues?q=mail"
    browser.click("Workers")
    browser.await_text("no worker", timeout=PATIENCE)
    browser.click("Account: ann@example.com")
    browser.await_text("Logged in as ann@example.com", "this browser", "Chrome", timeout=PATIENCE)
    browser.click("Log out")
    browser.await_text("Logged out", "may still be logged in at your provider", timeout=PATIENCE)
    assert browser.driver.get_cookies() == [] or httpx.get(f"{scene.url}api/config").status_code == 401
    assert browser.errors() == []
    browser.click("Log in")
    browser.await_text("ann@example.com", timeout=PATIENCE)
    assert browser.driver.current_url == scene.url


def test_cookies_cannot_be_read_by_a_script(browser: Browser, scene: Scene) -> None:
    browser.open(scene.url)
    browser.await_text("ann@example.com", timeout=PATIENCE)
    assert browser.run("return document.cookie") == ""
    (cookie,) = browser.driver.get_cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax") and cookie["name"].startswith("gossip-session-")


def test_an_admin_ends_the_session_of_another_user(browser: Browser, scene: Scene) -> None:
    with scene.logged_in_as("bob") as bob:
        assert bob.get(f"{scene.url}api/config").json()["user"] == "bob@example.com"
        browser.open(scene.url)
        browser.click("Account: ann@example.com")
        browser.await_text(
            "Sessions of all users", "bob@example.com · Firefox on Linux", "from 127.0.0.1", timeout=PATIENCE
        )
        browser.click("End the session of bob@example.com in Firefox on Linux")
        browser.await_text("The session of bob@example.com has ended.", timeout=PATIENCE)
        browser.await_no_text("Firefox on Linux", timeout=PATIENCE)
        assert bob.get(f"{scene.url}api/config").status_code == 401
        assert browser.errors() == []


def test_a_page_whose_session_was_ended_shows_that_and_logs_in_again(browser: Browser, scene: Scene) -> None:
    browser.open(f"{scene.url}workers")
    browser.await_text("ann@example.com", "live", timeout=PATIENCE)
    with scene.logged_in_as("ann") as other:
        token = other.get(f"{scene.url}api/config").json()["session"]["csrf"]
        (session,) = [one for one in sessions_in(other, scene) if not one["is_own"]]
        headers = {"X-Gossip-CSRF": token}
        ended = other.post(f"{scene.url}api/sessions/end", json={"id": session["id"]}, headers=headers)
        assert ended.status_code == 200
    browser.await_text("Signed out", timeout=PATIENCE)  # within ten seconds; the stream ends with the next event
    browser.click("Sign in")
    browser.await_no_text("Signed out", timeout=PATIENCE)
    browser.await_text("live", timeout=PATIENCE)
    assert browser.driver.current_url == f"{scene.url}workers"


def sessions_in(client: httpx.Client, scene: Scene) -> list[Any]:
    sessions: list[Any] = client.get(f"{scene.url}api/sessions").json()["sessions"]
    return sessions


def test_a_provider_that_is_down_is_shown_and_open_pages_go_on(browser: Browser, scene: Scene) -> None:
    with scene.logged_in_as("bob") as bob:
        scene.provider.faults = {"down"}
        assert bob.get(f"{scene.url}api/queues").status_code == 200
        browser.open(
            scene.url
        )  # the configuration of the provider is known, so that only the exchange of the code fails
        browser.await_text("Login failed", "Try again later", timeout=PATIENCE)
        scene.provider.faults = set()
        browser.click("Log in")
        browser.await_text("ann@example.com", timeout=PATIENCE)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_a_user_who_is_not_admitted_is_told(browser: Browser, scene: Scene, width: int, scheme: str) -> None:
    scene.provider.claims["email"] = "eve@evil.example"
    browser.open(scene.url, width=width, scheme=scheme)
    browser.await_text("Not permitted", "may not use this dashboard", timeout=PATIENCE)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    color = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert color == ("rgb(15, 19, 17)" if scheme == "dark" else "rgb(245, 247, 245)"), "the style is served"
    eventually(lambda: assert_no_errors(browser), 5)


def assert_no_errors(browser: Browser) -> None:
    assert [one for one in browser.errors() if "403" not in one] == []
