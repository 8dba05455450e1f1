"""A task is found by its id in a real Chromium, whatever became of it on real workers; and the list of runs."""

import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from benchmarks.synthetic import Fleet as SyntheticFleet
from benchmarks.synthetic import Plan
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import RunningTask, WaitingTask
from tests.support import eventually
from tests.support.workers import QUIET, Project
from tests.unit.build import a_check, a_gossip
from tests.web.browser import Browser, browsing
from tests.web.publishing import gossip_publisher
from tests.web.test_browser import first_reports
from tests.web.web_command import RunningDashboard, running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(400)]
SECONDS = 3.0  #: within which a task is found from its id
ATTEMPTS = 5  #: of which the fastest counts: other tests run on the same cores
PATIENCE = 40.0  #: seconds for what is not measured
ENTER, DOWN, ESCAPE = "\ue007", "\ue015", "\ue00c"
NAMES = ("shop.pay", "mail", "shop.send")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def type_in(browser: Browser, text: str) -> None:
    browser.driver.switch_to.active_element.send_keys(text)


def found_text(browser: Browser) -> str:
    return str(browser.run("return document.querySelector('#found').innerText"))


def seconds_to_find(browser: Browser, dashboard: RunningDashboard, task_id: str, parts: tuple[str, ...]) -> float:
    """Find a task with the keyboard alone, from the overview; return the seconds until its page shows these texts."""
    browser.open(dashboard.url)
    browser.await_text("busiest queues", timeout=PATIENCE)
    began = time.monotonic()
    browser.press("/")
    type_in(browser, task_id + ENTER)
    browser.await_text(task_id, *parts, timeout=PATIENCE)
    seconds = time.monotonic() - began
    assert browser.run("return location.pathname").endswith(f"/runs/0/{task_id}")
    return seconds


def test_every_task_is_found_from_its_id_in_three_seconds(browser: Browser, redis_project: Project) -> None:
    project = redis_project
    project.install = {"interval": 0.5, "failure_details": "message"}
    queue_a, queue_b = project.queues
    browser.reset()
    with (
        project.worker(*QUIET, "-Q", queue_a, name="w1", concurrency=1) as busy,
        project.worker(*QUIET, "-Q", queue_b, name="w2", concurrency=1) as doomed,
        running_dashboard(project) as dashboard,
    ):
        hanging = project.send("nap", 600.0)
        eventually(partial(assert_states, dashboard, {hanging: "running"}), 30)
        waiting = project.send("nap", 600.0)
        scheduled = project.send("nothing", countdown=90_000)
        failed = project.send("fail", queue="b")
        eventually(partial(assert_states, dashboard, {failed: "failed"}), 30)
        lost = project.send("nap", 600.0, queue="b")
        eventually(partial(assert_states, dashboard, {lost: "running"}), 30)
        doomed.kill()
        expected = {hanging: "running", waiting: "reserved", scheduled: "scheduled", failed: "failed", lost: "lost"}
        eventually(partial(assert_states, dashboard, expected), 60)
        cases = {
            hanging: ("runs for", busy.node, queue_a, "project.nap"),
            waiting: ("waits for a slot", busy.node, queue_a),
            scheduled: ("waits for its eta, in 1 d", busy.node, "project.nothing"),
            failed: ("failed with", doomed.node, queue_b, "project.fail", "All failures of this kind"),
            lost: ("was running when its worker was lost", doomed.node, queue_b),
            "no-such-task": ("not seen in the last", "or that waits on the broker, is in no list"),
        }
        for task_id, parts in cases.items():
            times: list[float] = []
            while len(times) < ATTEMPTS and (not times or times[-1] > SECONDS):
                times.append(seconds_to_find(browser, dashboard, task_id, parts))
            print(f"{parts[0]}: found after {min(times):.2f} s")
            assert min(times) <= SECONDS, (parts, times)
        assert browser.errors() == []


def assert_states(dashboard: RunningDashboard, states: dict[str, str]) -> None:
    for task_id, state in states.items():
        answer = httpx.get(f"{dashboard.url}api/search", params={"q": task_id}, timeout=10).json()
        assert [one["state"] for one in answer["sightings"]] == [state], (task_id, answer)


def test_the_search_is_a_list_that_the_keyboard_can_use(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        for number in (1, 2):
            checks = (a_check("mail"), a_check("<b>mail</b>"))
            publisher.publish(encode(a_gossip(hostname=f"celery@mail{number}", interval=60.0, checks=checks)))
        browser.open(f"{dashboard.url}workers")
        browser.await_text("celery@mail2", timeout=PATIENCE)
        browser.press("/")
        type_in(browser, "mail")
        eventually(lambda: assert_in("celery@mail2", found_text(browser)), PATIENCE)
        kinds = [line for line in found_text(browser).splitlines() if line in ("queue", "worker", "task")]
        assert kinds == ["queue", "queue", "worker", "worker"] and "<b>mail</b>" in found_text(browser)
        expanded = "return document.querySelector('#top input').getAttribute('aria-expanded')"
        assert browser.run(expanded) == "true"
        type_in(browser, DOWN * 3)
        chosen = "return document.querySelector('[aria-selected=true]')?.innerText.split('\\n')[0]"
        eventually(lambda: assert_equal(browser.run(chosen), "celery@mail1"), PATIENCE)
        type_in(browser, ENTER)
        browser.await_text("reports every", timeout=PATIENCE)
        assert browser.run("return location.pathname").endswith("/workers/0/celery%40mail1")
        browser.press("/")
        type_in(browser, "nothing-like-this")
        eventually(lambda: assert_in("Not seen in the last", found_text(browser)), PATIENCE)
        type_in(browser, ESCAPE)
        eventually(lambda: assert_equal(browser.run(expanded), "false"), PATIENCE)


def assert_in(part: str, text: str) -> None:
    assert part in text, text


def assert_equal(one: object, other: object) -> None:
    assert one == other


def a_busy_gossip() -> bytes:
    tasks = (RunningTask(0, 3605.0, 2, True, None, 600.0), RunningTask(2, 5.0))
    check = a_check("mail", active=("long-running", "short-one"), tasks=tasks, active_count=3)
    waiting = (
        WaitingTask("reserved-one", 0, 1, "reserved", 20.0),
        WaitingTask("scheduled-one", 2, 1, "scheduled", 900.0, 0, 90_000.0),
    )
    counts = {"active": 3, "reserved": 4, "scheduled": 1}
    return encode(a_gossip(interval=60.0, names=NAMES, checks=(check,), waiting=waiting, **counts))


def listed(browser: Browser) -> list[str]:
    rows = browser.run("return [...document.querySelectorAll('tbody tr th')].map(one => one.innerText.split('\\n')[0])")
    return [str(row) for row in rows]


def test_the_list_of_runs_is_filtered_by_its_address(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        publisher.publish(a_busy_gossip())
        browser.open(f"{dashboard.url}runs")
        browser.await_text(
            "long-running", "scheduled-one", "in 1 d", "1 running and 3 waiting tasks are in no list", timeout=PATIENCE
        )
        assert listed(browser) == ["long-running", "scheduled-one", "reserved-one", "short-one"]
        assert "2 retries, redelivered, limit 10 min" in browser.row("long-running")
        browser.open(f"{dashboard.url}runs?task=PAY&min_age=1800&sort=id")
        eventually(lambda: assert_equal(listed(browser), ["long-running"]), PATIENCE)
        browser.open(f"{dashboard.url}runs?worker=web1&queue=ai&sort=id")
        eventually(lambda: assert_equal(len(listed(browser)), 4), PATIENCE)
        assert listed(browser) == sorted(listed(browser))
        browser.click("scheduled 1")
        eventually(lambda: assert_equal(listed(browser), ["scheduled-one"]), PATIENCE)
        assert browser.run("return location.search") == "?queue=ai&sort=id&state=scheduled&worker=web1"
        browser.click("Clear filters")
        eventually(lambda: assert_equal(len(listed(browser)), 4), PATIENCE)
        browser.press("f")
        type_in(browser, "reserved-one")
        eventually(lambda: assert_equal(listed(browser), ["reserved-one"]), PATIENCE)
        eventually(lambda: assert_in("task=reserved-one", browser.run("return location.search")), PATIENCE)
        browser.click("reserved-one")
        browser.await_text("waits for a slot", "celery@web1", timeout=PATIENCE)


def test_an_id_is_copied_and_its_page_has_a_link_elsewhere(browser: Browser, redis_project: Project) -> None:
    flags = ("--task-url", "https://logs.example/?q={id}")
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project, *flags) as dashboard:
        publisher.publish(a_busy_gossip())
        browser.reset()
        browser.open(f"{dashboard.url}tasks/0/shop.pay")
        browser.await_text("long-running", timeout=PATIENCE)
        browser.click("long-running")
        browser.await_text("runs for 1 h", "redelivered", "10 min", "Open elsewhere", timeout=PATIENCE)
        href = "return [...document.links].find(one => one.innerText === 'Open elsewhere').href"
        assert browser.run(href) == "https://logs.example/?q=long-running"
        browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        browser.click("Copy the id")
        eventually(lambda: assert_equal(browser.run("return window.copied"), "long-running"), PATIENCE)
        assert browser.errors() == []


def test_the_list_of_a_thousand_workers_is_cut_and_says_so(browser: Browser, redis_project: Project) -> None:
    synthetic = SyntheticFleet(Plan(workers=1000, queues=10, interval=60.0))
    check = a_check("mail", active=("id-1", "id-2"), tasks=(RunningTask(0, 9.0), RunningTask(0, 8.0)), active_count=2)
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        hostnames = [gossip.hostname for gossip in first_reports(synthetic)]
        bodies = [
            encode(a_gossip(hostname=one, boot=f"{at:016x}", interval=60.0, active=2, checks=(check,), names=NAMES))
            for at, one in enumerate(hostnames)
        ]

        def are_known() -> None:  # a listener accepts 500 new workers per 0.25 s
            for body in bodies:
                publisher.publish(body)
            totals = httpx.get(f"{dashboard.url}api/runs", timeout=PATIENCE).json()["list_totals"]
            assert totals["total"] == 2 * len(bodies)

        eventually(are_known, 60, every=1.0)
        browser.open(f"{dashboard.url}runs")
        browser.await_text("2,000 tasks", "The 500 tasks that run or wait for longest, of 2,000", timeout=PATIENCE)
        assert browser.run("return document.querySelectorAll('tbody tr').length") <= 50
        browser.open(f"{dashboard.url}runs?worker={hostnames[-1]}")
        browser.await_text("2 tasks", hostnames[-1], timeout=PATIENCE)
