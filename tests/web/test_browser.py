"""The page in a real Chromium, with real workers and brokers."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest

from benchmarks.synthetic import Fleet as SyntheticFleet
from benchmarks.synthetic import Plan
from celery_gossip.wire.encoding import encode, encode_beat
from celery_gossip.wire.messages import BeatEntry
from tests.support import brokers, eventually
from tests.support.workers import QUIET, Project
from tests.unit.build import a_beat, a_check, a_gossip, a_series
from tests.web.browser import Browser, browsing
from tests.web.publishing import gossip_publisher
from tests.web.served import MAX_SIZE, MAX_UNCOMPRESSED_SIZE
from tests.web.web_command import RunningDashboard, password_file, running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(180)]
PAGES = ("", "queues", "workers", "matrix", "tasks", "runs", "failures", "schedule", "activity")
SCRIPT = "<img src=x onerror=window.hurt=1>"
HOSTILE = (
    SCRIPT,
    "'\"><script>window.hurt=1</script>",
    "javascript:window.hurt=1",
    "{{7*7}}${7*7}",
    "../../etc/passwd",
    "?a=b&c#d",
    "x" * 255,
    "\N{SNOWMAN} \N{HEBREW LETTER ALEF}",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def test_changes_of_a_worker_are_shown_live(browser: Browser, redis_project: Project) -> None:
    project = redis_project
    queue = project.queues[0]
    with project.worker(*QUIET, pool="threads", concurrency=2) as worker, running_dashboard(project) as dashboard:
        browser.open(f"{dashboard.url}queues")
        browser.await_text(queue)
        task_id = project.send("nap", 60.0)
        sent_at = time.monotonic()
        eventually(lambda: assert_in("1/2", browser.row(queue)), every=0.02)
        assert time.monotonic() - sent_at < 5  # within two seconds on a quiet machine
        browser.click(queue)
        browser.await_text(worker.node, task_id)
        browser.open(f"{dashboard.url}tasks")
        browser.await_text("tests.support.project.nap")
        worker.kill()
        browser.open(f"{dashboard.url}workers")
        browser.await_text("suspect", timeout=15)
        browser.await_text("lost", timeout=20)


def assert_in(part: str, text: str) -> None:
    assert part in text.replace(" ", ""), text


def test_a_pause_from_the_page_is_confirmed_by_the_worker(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    flags = ("--allow-control", "--auth", f"basic:{password_file(tmp_path)}")
    with project.worker(*QUIET, pool="threads"), running_dashboard(project, *flags) as dashboard:
        browser.open(dashboard.authenticated_url)
        browser.open(f"{dashboard.url}queues/0/{project.queues[0]}")
        confirm(browser, "Pause all")
        browser.await_text("paused", "Resume all")
        assert_is_paused(project, is_paused=True)
        confirm(browser, "Resume all")
        browser.await_text("running", "Pause all")
        assert_is_paused(project, is_paused=False)


def test_a_page_that_was_opened_with_a_password_in_its_address_has_controls(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    flags = ("--allow-control", "--auth", f"basic:{password_file(tmp_path)}")
    with project.worker(*QUIET, pool="threads"), running_dashboard(project, *flags) as dashboard:
        browser.open(f"{dashboard.authenticated_url}queues/0/{project.queues[0]}")
        confirm(browser, "Pause all")
        browser.await_text("paused", "Resume all")
        browser.click("Overview")  # navigation works with such an address, too
        browser.await_text("Busiest queues")
        browser.await_no_text("Controls cannot be loaded")


def test_controls_that_cannot_be_loaded_are_announced_and_appear_later(
    browser: Browser, redis_project: Project, tmp_path: Path
) -> None:
    project = redis_project
    flags = ("--allow-control", "--auth", f"basic:{password_file(tmp_path)}")
    with project.worker(*QUIET, pool="threads"), running_dashboard(project, *flags) as dashboard:
        browser.open(dashboard.authenticated_url)
        script = browser.on_every_page(
            "const real = fetch;"
            "window.fetch = (...args) => window.isBack ? real(...args) : Promise.reject(Error('shut'));"
        )
        try:
            browser.open(f"{dashboard.url}queues/0/{project.queues[0]}")
            browser.await_text("Controls cannot be loaded: shut")
            browser.run("window.isBack = true")
            browser.await_text("Pause all", timeout=20)
            browser.await_no_text("Controls cannot be loaded")
        finally:
            browser.on_no_page(script)


def confirm(browser: Browser, command: str) -> None:
    """Open the dialog of this command, confirm it when the workers are listed, and close it."""
    browser.click(command)
    browser.await_text("1 worker: ")
    browser.click(command)
    browser.click("Close")


def assert_is_paused(project: Project, *, is_paused: bool) -> None:
    status = {queue["queue"]: queue["paused"] for queue in project.status()["queues"]}
    assert status[project.queues[0]] == ("yes" if is_paused else "no")


def test_without_a_password_the_page_is_not_served(browser: Browser, redis_project: Project, tmp_path: Path) -> None:
    flags = ("--auth", f"basic:{password_file(tmp_path)}")
    with running_dashboard(redis_project, *flags) as dashboard:
        browser.open(dashboard.url)
        assert "authentication required" in browser.text or not browser.text.strip()


def test_the_loss_of_the_broker_is_shown_until_it_is_back(
    browser: Browser, private_redis: brokers.PrivateBroker
) -> None:
    project = Project(private_redis.url)
    with project.worker(*QUIET, pool="threads") as worker, running_dashboard(project) as dashboard:
        browser.open(dashboard.url)
        browser.await_text("online")
        private_redis.kill()
        browser.await_text("isolated", timeout=20)
        private_redis.start()
        browser.await_no_text("isolated", timeout=20)
        browser.open(f"{dashboard.url}workers")
        browser.await_text(worker.node)
        eventually(lambda: assert_in("online", browser.row(worker.node)), 20)
        worker.kill()


def test_the_loss_of_the_server_is_shown_until_it_is_back(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher:
        with running_dashboard(redis_project) as dashboard:
            publisher.publish(encode(a_gossip(hostname="celery@known", interval=60.0)))
            browser.open(f"{dashboard.url}workers")
            browser.await_text("celery@known")
        browser.await_text("connection lost", timeout=15)
        port = urlsplit(dashboard.url).port
        with running_dashboard(redis_project, "--port", str(port)):
            browser.await_no_text("connection lost", timeout=30)


def test_names_are_shown_as_text_and_run_nothing(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        browser.reset()
        for number, name in enumerate(HOSTILE):
            publisher.publish(encode(a_hostile_gossip(name, number)))
        for page in (
            *PAGES,
            *(f"{kind}/0/{quote(name, safe='')}" for name in HOSTILE for kind in ("queues", "workers", "tasks")),
        ):
            browser.open(dashboard.url + page)
            browser.await_text("celery")
            eventually(partial(assert_loaded, browser), 10)
            assert browser.run("return window.hurt") is None, page
            assert browser.run("return document.querySelectorAll('img, iframe, script:not([src])').length") == 0, page
        browser.open(f"{dashboard.url}queues")
        browser.await_text(SCRIPT)
        assert browser.errors() == []


def a_hostile_gossip(name: str, number: int) -> object:
    """Return a report in which the worker, a queue, a task, its exceptions and its ids have this name."""
    series = a_series(name, task=name, age=0.001, received=3, succeeded=1, failed={name: 2})
    return a_gossip(
        hostname=name, app=name, pool=name, boot=f"{number:016x}", interval=60.0, active=1,
        checks=(a_check(name, active=(name,), active_count=1),), series=(series,),
    )  # fmt: skip


def assert_loaded(browser: Browser) -> None:
    assert "Loading" not in browser.text


def test_a_thousand_workers_fit_on_the_page(browser: Browser, redis_project: Project) -> None:
    synthetic = SyntheticFleet(Plan(workers=1000, queues=10, interval=60.0))
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        bodies = [encode(gossip) for gossip in first_reports(synthetic)]

        def are_known() -> None:  # a listener accepts 500 new workers per 0.25 s
            for body in bodies:
                publisher.publish(body)
            assert len(httpx.get(f"{dashboard.url}api/workers").json()["workers"]) == len(bodies)

        eventually(are_known, 30, every=1.0)
        browser.open(f"{dashboard.url}workers")
        browser.await_text("of 1,000", timeout=20)
        assert browser.run("return document.querySelectorAll('tbody tr').length") <= 100
        browser.open(f"{dashboard.url}workers?q=web99&sort=-hostname")
        browser.await_text("11 of 1,000")


def first_reports(synthetic: SyntheticFleet) -> Iterator[object]:
    for _, gossip in synthetic.schedule():
        if gossip.seq > 1:
            return
        yield gossip


def test_an_address_keeps_search_and_sort_order(browser: Browser, redis_project: Project) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        for name in ("mail", "reports", "mail_bulk"):
            publisher.publish(encode(a_gossip(hostname=f"w@{name}", interval=60.0, checks=(a_check(name),))))
        browser.open(f"{dashboard.url}queues?q=mail&sort=-name")
        browser.await_text("2 of 3 queues")
        names = browser.run(
            "return [...document.querySelectorAll('tbody tr th')].map(one => one.innerText.split('\\n')[0])"
        )
        assert names == ["mail_bulk", "mail"]
        browser.press("f")
        browser.run("document.activeElement.value = ''; document.activeElement.dispatchEvent(new Event('input'))")
        browser.await_text("3 queues")
        assert "q=" not in browser.run("return location.search")


@pytest.mark.parametrize("width", [1440, 375])
def test_no_page_is_wider_than_the_screen(browser: Browser, redis_project: Project, width: int) -> None:
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        publisher.publish(encode(a_hostile_gossip("a_queue_with_quite_a_long_name" * 4, 1)))
        for page in PAGES:
            browser.open(dashboard.url + page, width=width)
            browser.await_text("queues")
            eventually(partial(assert_loaded, browser), 10)
            assert browser.run("return document.documentElement.scrollWidth") <= width, page


def test_the_page_is_small_and_requests_nothing_from_other_hosts(browser: Browser, redis_project: Project) -> None:
    with running_dashboard(redis_project) as dashboard:
        browser.reset()
        for page in PAGES:
            browser.open(dashboard.url + page)
            browser.await_text("celery")
        requests = browser.requests()
        own = [one for one in requests if one["request"]["url"].startswith("http")]
        assert {urlsplit(one["request"]["url"]).netloc for one in own} == {urlsplit(dashboard.url).netloc}
        sizes = [
            browser.run(
                "return ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))"
                f".reduce((sum, one) => sum + one.{size}BodySize, 0)"
            )
            for size in ("encoded", "decoded")
        ]
        assert 0 < 2 * sizes[0] < sizes[1] < MAX_UNCOMPRESSED_SIZE and sizes[0] < MAX_SIZE
        assert browser.errors() == []


@pytest.mark.parametrize("width", [1440, 375])
def test_the_schedule_shows_problems_first_and_can_be_searched(
    browser: Browser, redis_project: Project, width: int
) -> None:
    entries = (
        BeatEntry("clean-carts", "shop.clean", "every 60 s", due=20.0, sent_age=40.0, sends=3, late=0.01),
        BeatEntry("report", "shop.report", "crontab 0 3 * * *", due=900.0, errors=1, error="KeyError", error_age=4.0),
        BeatEntry(SCRIPT, SCRIPT, SCRIPT, due=3600.0),
    )
    with gossip_publisher(redis_project) as publisher, running_dashboard(redis_project) as dashboard:
        publisher.publish(encode_beat(a_beat(*entries, interval=3600.0, scheduler="celery.beat:Scheduler")))
        browser.open(f"{dashboard.url}schedule", width=width)
        browser.await_text("celerybeat@web1", "clean-carts", "report", "could not be sent: KeyError", "3 entries")
        assert browser.text.index("report") < browser.text.index("clean-carts")
        assert "in 19 s" in browser.text or "in 1" in browser.text
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        browser.open(f"{dashboard.url}schedule?q=clean", width=width)
        browser.await_text("clean-carts", "1 of 3 entries")
        assert browser.run("return window.hurt === undefined")


def test_a_hidden_tab_closes_its_stream(browser: Browser, redis_project: Project) -> None:
    with running_dashboard(redis_project) as dashboard:
        browser.open(f"{dashboard.url}queues")
        browser.await_text("no queue")
        browser.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        eventually(partial(assert_viewers, dashboard, 0), 10)
        browser.run("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        eventually(partial(assert_viewers, dashboard, 1), 10)


def assert_viewers(dashboard: RunningDashboard, count: int) -> None:
    """Count viewers by open connections."""
    port = urlsplit(dashboard.url).port
    connections = psutil.Process(dashboard.process.pid).net_connections("tcp")
    open_ones = [one for one in connections if one.status == "ESTABLISHED" and one.laddr.port == port]
    assert (len(open_ones) > 0) == (count > 0)
