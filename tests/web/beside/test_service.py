"""What is asked of the monitors as services: logins, programs, displays."""

import re
from pathlib import Path

import httpx
import pytest

from celery_gossip.cli import gossip
from tests.support.brokers import free_port
from tests.support.oidc import serve_provider
from tests.web.beside.conftest import Beside
from tests.web.beside.flower_command import FOLDER
from tests.web.beside.monitor import Monitor
from tests.web.beside.record import row
from tests.web.login.visitor import oidc_file
from tests.web.web_command import running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]  # the first test starts everything

SOURCE = FOLDER / "flower"
NAP = "tests.support.project.nap"


@row(
    "Is a password required, and where is it kept?",
    flower="`--basic-auth=USER:PASSWORD` on the command line, in the environment or a file of settings; not for "
    "`/metrics` and `/healthcheck`",
    ours="`--auth basic:FILE`, a file that others must not be able to read; required for everything but `/healthz`, "
    "and for any address but loopback's",
    verdict="better",
)
def test_a_password_is_required(beside: Beside) -> None:
    with beside.flower.asked() as page:
        expect_status(page, {"workers": 401, "api/workers": 401, "metrics": 200})
    with beside.ours.asked() as page:
        expect_status(page, {"workers": 401, "api/workers": 401, "metrics": 401})


def expect_status(page: Monitor, expected: dict[str, int]) -> None:
    """Request these paths without a password."""
    for path, status in expected.items():
        assert httpx.get(f"{page.url}{path}", timeout=30).status_code == status, path
        page.note(f"/{path}: {status}")


@row(
    "Log in with the accounts of the organization",
    flower="OAuth 2 of Google, GitHub, GitLab or Okta; a cookie that is valid for 30 days and cannot be revoked",
    ours="any OpenID Connect provider, so GitHub only through one; sessions that expire, are listed, and can be ended",
    verdict="better",
)
def test_users_log_in_through_a_provider(beside: Beside, tmp_path: Path) -> None:
    with beside.flower.asked() as page:
        providers = re.findall(
            r"class (\w+?)(?:Auth2)?LoginHandler\(BaseHandler", (SOURCE / "views" / "auth.py").read_text()
        )
        page.note(f"providers: {', '.join(providers)}")
        assert providers == ["Google", "Github", "GitLab", "Okta"]
        assert "expires_days=30" in (SOURCE / "views" / "__init__.py").read_text()
    port = free_port()
    with serve_provider() as provider:
        provider.reset()
        file = oidc_file(tmp_path, provider, url=f"http://127.0.0.1:{port}/")
        flags = ("--port", str(port), "--auth", f"oidc:{file}")
        with (
            running_dashboard(beside.scene.project, *flags) as dashboard,
            beside.ours.at(dashboard.url).asked() as page,
        ):
            page.open("workers")
            page.find("ann@example.com", beside.scene.node("busy"))
            page.click("Account: ann@example.com")
            page.find("Logged in as ann@example.com", "this browser")
            page.click("Log out")
            page.find("Logged out")


@row(
    "Give some users some of the controls",
    flower="all controls for all users, or none (`--read-only`)",
    ours="`--allow-control=pause,scale,…` names what is allowed, `--control-users` to whom",
    verdict="better",
)
def test_controls_are_allowed_one_by_one(beside: Beside) -> None:
    node = beside.scene.node("idle")
    with beside.flower.asked() as page:
        page.open_worker(node)
        page.find("Grow", "Actions")
    flags = ("--allow-control=pause", "--auth", beside.password_option)
    with running_dashboard(beside.scene.project, *flags) as dashboard, beside.ours.at(dashboard.url).asked() as page:
        page.log_in()
        page.open_worker(node)
        page.find("Pause")
        assert not page.has("Grow") and not page.has("Shut down")


@row(
    "Send a task",
    flower="API only, for authenticated users: `POST /api/task/async-apply/NAME`",
    ours="no",
    verdict="worse",
    reason="who can send tasks can run everything that the workers can; `celery call`, or the application, sends tasks",
)
def test_tasks_are_only_sent_by_flower(beside: Beside) -> None:
    with beside.flower.asked() as page:
        answer = page.post(f"api/task/send-task/{NAP}", {"args": [0.0], "queue": beside.scene.queue("b")})
        assert answer.status_code == 200, answer.text
        page.note(answer.text)
        page.open(f"task/{answer.json()['task-id']}")
        page.reload_until("SUCCESS")
        page.find("SUCCESS")
    with beside.ours.asked() as page:
        answer = page.post(f"api/task/send-task/{NAP}", {"args": [0.0]})
        page.note(f"status {answer.status_code}")
        assert answer.status_code in (404, 405)


@row(
    "Metrics for Prometheus",
    flower="`/metrics`: events, run times, prefetched tasks, workers online",
    ours="`/metrics`, or `celery gossip exporter`: also backlogs, age of the oldest message, slots, waiting times, "
    "findings",
    verdict="better",
)
def test_metrics_are_served(beside: Beside) -> None:
    with beside.flower.asked() as page:
        expect_metrics(page, "flower_worker_online", "flower_events_total", "flower_task_runtime_seconds")
    with beside.ours.asked() as page:
        expect_metrics(
            page, "celery_worker_up", "celery_task_failed_total", "celery_task_runtime", "celery_queue_length"
        )


def expect_metrics(page: Monitor, *names: str) -> None:
    lines = page.get("metrics").text.splitlines()
    for name in names:
        page.note(next(line for line in lines if line.startswith(name)))


@row(
    "Ask for workers, tasks and queues by a program",
    flower="JSON API: workers, tasks, one task, queues, controls; described in its documentation",
    ours="JSON API: everything that a page shows, and controls; described by an OpenAPI document; a stream of changes",
    verdict="better",
)
def test_programs_can_ask(beside: Beside) -> None:
    node, task = beside.scene.node("busy"), beside.scene.hung
    with beside.flower.asked() as page:
        assert node in page.get("api/workers", refresh=1, workername=node).json()
        answer = page.get(f"api/task/info/{task}").json()
        page.note(f"{answer['state']} on {answer['worker']}")
        assert (answer["state"], answer["worker"]) == ("STARTED", node)
    with beside.ours.asked() as page:
        assert node in {worker["hostname"] for worker in page.get("api/workers").json()["workers"]}
        (found,) = page.get("api/search", q=task).json()["sightings"]
        page.note(f"{found['state']} on {found['hostname']}")
        assert (found["state"], found["hostname"]) == ("running", node)
        assert page.get("api/openapi.json").json()["openapi"].startswith("3.")


@row(
    "Does it follow the theme of the system, and fit a phone?",
    flower="yes; a theme can be chosen",
    ours="yes; by the system's preference",
    verdict="equal",
)
def test_pages_are_dark_and_narrow(beside: Beside) -> None:
    for monitor in (beside.flower, beside.ours):
        with monitor.asked() as page:
            page.browser.open(f"{page.url}workers", 390, 844, scheme="dark")
            page.find(beside.tail(beside.scene.node("busy")))
            width = page.browser.run("return document.documentElement.scrollWidth")
            color = page.browser.run("return getComputedStyle(document.body).backgroundColor")
            page.note(f"{width} pixels wide, background {color}")
            assert width <= 390 and sum(map(int, re.findall(r"\d+", color)[:3])) < 150


@row(
    "Serve over TLS or at a Unix socket, without a proxy",
    flower="`--certfile`, `--keyfile`, `--unix-socket`",
    ours="no: behind a reverse proxy, or as an ASGI application in a server that does",
    verdict="worse",
    reason="a proxy in front has TLS, and often the logins, anyway",
)
def test_tls_is_only_in_flower(beside: Beside) -> None:
    with beside.flower.asked() as page:
        options = set(re.findall(r'define\("(\w+)"', (SOURCE / "options.py").read_text()))
        assert {"certfile", "keyfile", "unix_socket"} <= options
        page.note("--certfile --keyfile --unix-socket")
    with beside.ours.asked() as page:
        options = {option for param in gossip.commands["web"].params for option in param.opts}
        page.note(" ".join(sorted(options)))
        assert not any("cert" in option or "socket" in option for option in options)
