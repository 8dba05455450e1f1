"""The matrix and the page of a worker in a real Chromium: what is shown, the keyboard, and a thousand workers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from benchmarks.synthetic import Fleet as SyntheticFleet
from benchmarks.synthetic import Plan
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Profile, RunningTask, Setting, Software
from celery_gossip.worker.profile import split_names
from tests.support import eventually
from tests.support.workers import Project
from tests.unit.build import a_check, a_gossip
from tests.web.browser import Browser, browsing
from tests.web.publishing import gossip_publisher
from tests.web.test_browser import first_reports
from tests.web.web_command import RunningDashboard, running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]
WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => list.getEntries().forEach(({duration}) => window.longTasks.push(duration)))
  .observe({type: "longtask"});
"""
CELLS = "return [...document.querySelectorAll('.matrix-cell')].map(one => one.lastElementChild.textContent)"
HEADS = "return [...document.querySelectorAll('.matrix-column')].map(one => one.innerText.replaceAll('\\n', ' '))"
FOCUSED = (
    "const e = document.activeElement;return e.matches('.matrix-cell') ? e.lastElementChild.textContent : e.innerText"
)
NAMES = tuple(f"shop.tasks.number_{number:02d}" for number in range(30))
(PART,) = split_names(NAMES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def a_report(hostname: str, *checks: Any, **fields: Any) -> bytes:
    return encode(
        a_gossip(hostname=hostname, boot=hostname.encode().hex()[:16].ljust(16, "0"), checks=checks, **fields)
    )


def publish_three(publisher: Any) -> None:
    mail = a_check("mail", active=("id-1",), active_count=1, reserved=5)
    for name in ("celery@web1", "celery@web2"):
        publisher.publish(a_report(name, mail, a_check("bulk", paused=True), interval=60.0, active=1, concurrency=8))
    publisher.publish(
        a_report(
            "slow@db1", a_check("reports", active=("id-2",), active_count=1), interval=60.0, active=1, concurrency=1
        )
    )


def assert_shown(browser: Browser, *labels: str) -> None:
    cells = browser.run(CELLS)
    assert [label for label in labels if label not in cells] == [], cells


def test_the_matrix_shows_which_worker_serves_which_queue(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        publish_three(publisher)
        browser.reset()
        browser.open(f"{dashboard.url}matrix")
        browser.await_text("3 workers", "celery@web*", "slow@db1")

        def is_complete() -> None:
            assert_shown(
                browser,
                "mail on celery@web*: 2 running tasks, 10 reserved, 16 slots",
                "bulk on celery@web*: paused, 0 running tasks, 0 reserved",
                "reports on slow@db1: 1 running task, 0 reserved, 1 slot, all in use",
                "mail on slow@db1: not served",
            )
            assert browser.run(HEADS)[0] == "bulk paused"

        eventually(is_complete, 20)
        browser.click("Host")
        browser.await_text("web1", "web2", "db1")
        assert "group=host" in browser.run("return location.search")
        browser.click("Worker")
        browser.await_text("celery@web1", "celery@web2")
        browser.open(f"{dashboard.url}matrix?group=worker&queue=rep")
        browser.await_text("slow@db1")
        browser.await_no_text("celery@web1")
        assert browser.errors() == []


def test_the_keyboard_reaches_every_cell(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        publish_three(publisher)
        browser.open(f"{dashboard.url}matrix?group=worker&sort=name")
        browser.await_text("slow@db1")
        eventually(
            lambda: assert_shown(browser, "reports on slow@db1: 1 running task, 0 reserved, 1 slot, all in use"), 20
        )

        def focused() -> str:
            return str(browser.run(FOCUSED))

        assert browser.run("return document.querySelectorAll('.matrix [tabindex=\"0\"]').length") == 1
        browser.run("document.querySelector('.matrix [tabindex=\"0\"]').focus()")
        assert focused() == "bulk"
        press(browser, "ArrowDown")
        assert focused().startswith("bulk on celery@web1: paused")
        press(browser, "ArrowRight", "ArrowDown", "ArrowDown")
        assert focused() == "mail on slow@db1: not served"
        press(browser, "End")
        assert focused().startswith("reports on slow@db1")
        press(browser, "Home")
        assert focused() == "slow@db1"
        press(browser, "ArrowRight", "Enter")
        eventually(lambda: assert_at(browser, "/workers/0/slow%40db1"), 10)
        browser.press("g", "m")
        eventually(lambda: assert_at(browser, "/matrix"), 10)


def press(browser: Browser, *keys: str) -> None:
    for key in keys:
        browser.run(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
            key,
        )


def assert_at(browser: Browser, path: str) -> None:
    assert browser.run("return location.pathname").endswith(path)


def a_large_fleet(publisher: Any, dashboard: RunningDashboard, synthetic: SyntheticFleet) -> None:
    bodies = [encode(gossip) for gossip in first_reports(synthetic)]

    def are_known() -> None:  # a listener accepts 500 new workers per 0.25 s
        for body in bodies:
            publisher.publish(body)
        rows = httpx.get(f"{dashboard.url}api/matrix?group=worker", timeout=30).json()["matrix"]
        assert len(rows) == len(bodies)

    eventually(are_known, 60, every=1.0)


def test_of_a_thousand_workers_the_document_contains_the_visible_ones(browser: Browser, redis_project: Project) -> None:
    synthetic = SyntheticFleet(Plan(workers=1000, queues=10, interval=60.0))
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        a_large_fleet(publisher, dashboard, synthetic)
        browser.open(f"{dashboard.url}matrix?group=worker&sort=name")
        browser.await_text("1,000 workers", timeout=30)
        count = "return document.querySelectorAll('.matrix-row').length"
        eventually(lambda: assert_between(5, browser.run(count), 40), 20)
        assert browser.run("return document.querySelector('.matrix').getAttribute('aria-rowcount')") == "1001"
        browser.run("document.querySelector('.matrix').scrollTop = 1e6")
        eventually(lambda: assert_last_row(browser), 20)
        assert_between(5, browser.run(count), 40)
        browser.open(f"{dashboard.url}matrix?group=worker&q=web99")
        browser.await_text("1,000 workers", timeout=30)
        eventually(lambda: assert_rows(browser, "12"), 20)
        browser.open(f"{dashboard.url}matrix")
        browser.await_text("1,000 workers", timeout=30)


def assert_between(least: int, value: int, most: int) -> None:
    assert least <= value <= most, value


def assert_rows(browser: Browser, count: str) -> None:
    assert browser.run("return document.querySelector('.matrix').getAttribute('aria-rowcount')") == count


def assert_last_row(browser: Browser) -> None:
    indexes = browser.run(
        "return [...document.querySelectorAll('.matrix-row')].map(one => one.getAttribute('aria-rowindex'))"
    )
    assert "1001" in indexes


@pytest.mark.serial
def test_updates_of_a_thousand_workers_do_not_block_the_tab(browser: Browser, redis_project: Project) -> None:
    """No task of more than 50 ms while every worker reports; one attempt of three must be undisturbed."""
    synthetic = SyntheticFleet(Plan(workers=1000, queues=10, interval=60.0))
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        a_large_fleet(publisher, dashboard, synthetic)
        browser.open(f"{dashboard.url}matrix?group=worker")
        browser.await_text("1,000 workers", timeout=30)
        browser.run(WATCH)
        longest = [updated(browser, publisher, synthetic, seq) for seq in (11, 12, 13)]
        assert min(longest) <= 50, longest


def updated(browser: Browser, publisher: Any, synthetic: SyntheticFleet, seq: int) -> float:
    """Publish a report of every worker; return the milliseconds of the longest task of the tab after that."""
    seen = browser.run("return window.longTasks.length")
    for gossip in first_reports(synthetic):
        publisher.publish(encode(next_report(gossip, seq, active=seq % 4)))
    browser.run_async("setTimeout(arguments[arguments.length - 1], 3000)")
    return float(max(browser.run("return window.longTasks.slice(arguments[0])", seen), default=0))


def next_report(gossip: Any, seq: int, active: int) -> Any:
    checks = tuple(replace(check, active=(), active_count=active) for check in gossip.checks)
    return replace(gossip, seq=seq, active=active * len(checks), checks=checks)


def test_the_page_of_a_worker_shows_its_process_configuration_and_tasks(
    browser: Browser, redis_project: Project
) -> None:
    software = Software(release="v42", celery="5.7.0", registry=PART.registry, tasks=len(NAMES))
    profile = Profile(
        pid=4711, age=7500.0, settings=(Setting("timezone", "UTC"), Setting("task_send_sent_event", True)), tasks=PART
    )
    check = a_check("mail", active=("id-1",), active_count=1, reserved=3, tasks=(RunningTask(0, 61.0),))
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        fields = {"names": ("shop.pack",), "interval": 0.5, "active": 1, "reserved": 3}
        publisher.publish(
            encode(a_gossip(checks=(check, a_check("bulk", paused=True)), software=software, profile=profile, **fields))
        )
        browser.reset()
        browser.open(f"{dashboard.url}workers/0/celery%40web1")
        browser.await_text(
            "4711", "2 h 5 min", "Configuration", "task_send_sent_event", "Registered tasks", "number_05"
        )
        browser.await_text("Paused queues", "bulk")
        browser.run(
            "const box = document.querySelector('[aria-label=\"Filter registered tasks\"]');"
            "box.value = 'number_29'; box.dispatchEvent(new Event('input'))"
        )
        browser.await_text("1 of 30", "number_29")
        assert "names_q=number_29" in browser.run("return location.search")
        browser.await_text("Before it was lost", "Was running", "id-1", "Last reports", timeout=60)
        browser.await_text("It ran 1 task in 4 slots, with 3 reserved")
        assert browser.errors() == []
