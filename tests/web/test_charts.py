"""Charts in a real Chromium: their period, chosen by drag and by keys, and the marks of real workers."""

import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from celery_gossip.web.snapshot import Sampler
from celery_gossip.wire.messages import Resources
from tests.support import eventually
from tests.support.workers import QUIET, Project
from tests.unit.build import a_check, a_series
from tests.web.browser import Browser, browsing
from tests.web.fake_fleet import FakeFleet
from tests.web.in_process import serve_in_thread
from tests.web.web_command import running_dashboard

PATIENCE = 30.0  #: seconds
PAST = 400.0  #: seconds for which the fake fleet has reported
MIB = 1 << 20
WORKER, QUEUE = "workers/0/celery%40web1", "queues/0/mail"
SUMMARY = "return document.querySelector('.zoom:not([hidden]) .summary')?.textContent ?? ''"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


class _LiveFleet(FakeFleet):
    """A fleet that has reported for some minutes, and goes on by the real clock."""

    def __init__(self) -> None:
        began_at = time.monotonic() - PAST
        super().__init__(began_at)
        offset = time.time() - time.monotonic()
        self.live_sampler = Sampler("0", "shop", self, self.clock, lambda: self.clock() + offset)
        self._began_at = began_at
        while self.clock.now + 5 <= time.monotonic():
            self.advance(5.0)
            self.live_sampler.sample()

    def turn(self) -> None:
        self.advance(max(0.0, time.monotonic() - self.clock.now))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        done = int(self.clock.now - self._began_at)
        series = a_series("mail", age=PAST, received=done, succeeded=done)
        resources = Resources(rss=120 * MIB, cpu_seconds=done / 2)
        self.report(checks=(a_check("mail"),), series=(series,), resources=resources)
        self.cluster.set_queue_lengths({"mail": 7}, self.clock.now)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    fleet = _LiveFleet()
    with serve_in_thread([fleet.live_sampler], turn=fleet.turn) as url:
        yield url


def open_page(browser: Browser, url: str, **size: Any) -> None:
    browser.open(url, **size)
    eventually(lambda: assert_drawn(browser), PATIENCE)


def assert_drawn(browser: Browser) -> None:
    script = "return [...document.querySelectorAll('.chart .line, .chart .area')].some((one) => one.getAttribute('d'))"
    assert browser.run(script)


def drag(browser: Browser, chart: int, start: float, end: float) -> None:
    """Drag over a chart, from one share of its width to another."""
    plot = browser.driver.find_elements(By.CSS_SELECTOR, ".plot")[chart]
    browser.run("arguments[0].scrollIntoView({block: 'center'})", plot)
    width = plot.rect["width"]
    actions = ActionChains(browser.driver, duration=50)
    actions.move_to_element_with_offset(plot, round((start - 0.5) * width), 0).click_and_hold()
    actions.move_by_offset(round((end - start) * width / 2), 5).move_by_offset(round((end - start) * width / 2), -5)
    actions.release().perform()


def period(browser: Browser) -> dict[str, float]:
    """Return the period in the address."""
    query = parse_qs(urlsplit(browser.driver.current_url).query)
    return {name: float(query[name][0]) for name in ("from", "to") if name in query}


def assert_zoomed(browser: Browser, *, is_zoomed: bool = True) -> None:
    assert bool(period(browser)) == is_zoomed
    assert bool(browser.run(SUMMARY)) == is_zoomed


def test_a_drag_selects_the_period_of_all_charts(browser: Browser, url: str) -> None:
    browser.reset()
    open_page(browser, url + WORKER)
    drag(browser, 0, 0.5, 0.75)
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    found = period(browser)
    assert 100 < found["to"] - found["from"] < 200  # a quarter of ten minutes
    assert -600 < found["from"] - time.time() < -200
    labels = browser.run(
        "return [...document.querySelectorAll('.plot')].map((plot) => plot.getAttribute('aria-label'))"
    )
    assert len(labels) == 6 and len({label.partition(", ")[2] for label in labels[1:4]}) == 1
    browser.driver.back()
    eventually(lambda: assert_zoomed(browser, is_zoomed=False), PATIENCE)
    assert browser.errors() == []


def test_the_period_is_kept_between_pages_and_in_the_address(browser: Browser, url: str) -> None:
    open_page(browser, url)
    drag(browser, 0, 0.5, 0.75)
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    chosen = period(browser)
    browser.click("Queues")
    browser.await_text("1 queue", timeout=PATIENCE)
    assert period(browser) == chosen
    browser.click("mail")
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    summary = browser.run(SUMMARY)
    browser.driver.refresh()
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    assert browser.run(SUMMARY) == summary and period(browser) == chosen
    browser.click("Reset zoom")
    eventually(lambda: assert_zoomed(browser, is_zoomed=False), PATIENCE)
    browser.click("1 h")
    browser.click("Overview")
    eventually(lambda: assert_chosen(browser, "1 h"), PATIENCE)


def assert_chosen(browser: Browser, label: str) -> None:
    script = "return document.querySelector('.segments [aria-pressed=true]')?.textContent ?? ''"
    assert browser.run(script) == label
    assert browser.run("return location.search") == "?window=1h"


def test_a_period_up_to_now_follows_the_time(browser: Browser, url: str) -> None:
    open_page(browser, url + QUEUE)
    drag(browser, 0, 0.7, 0.999)
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    assert set(period(browser)) == {"from"} and -300 < period(browser)["from"] < -100
    first = browser.run(SUMMARY)
    assert first.endswith("now")
    eventually(lambda: assert_other(browser.run(SUMMARY), first), PATIENCE)
    browser.press(Keys.ESCAPE)
    eventually(lambda: assert_zoomed(browser, is_zoomed=False), PATIENCE)


def assert_other(text: str, former: str) -> None:
    assert text != former


def test_escape_cancels_a_drag_and_a_click_selects_nothing(browser: Browser, url: str) -> None:
    open_page(browser, url + QUEUE)
    plot = browser.driver.find_elements(By.CSS_SELECTOR, ".plot")[0]
    actions = ActionChains(browser.driver, duration=50).move_to_element(plot).click_and_hold().move_by_offset(60, 0)
    actions.send_keys(Keys.ESCAPE).move_by_offset(20, 0).release().perform()
    assert_zoomed(browser, is_zoomed=False)
    ActionChains(browser.driver).move_to_element(plot).click().perform()
    assert_zoomed(browser, is_zoomed=False)
    assert browser.run("return document.querySelector('.selection').getAttribute('d')") == ""


def test_the_keys_read_values_and_select_a_period(browser: Browser, url: str) -> None:
    open_page(browser, url + QUEUE)
    plot = browser.driver.find_elements(By.CSS_SELECTOR, ".plot")[2]
    browser.run("arguments[0].focus()", plot)
    plot.send_keys(Keys.ARROW_LEFT)
    assert re.match(r"\d+:\d\d:\d\d\s[AP]M, waiting 7$", plot.get_attribute("aria-valuetext"))
    last = plot.get_attribute("aria-valuenow")
    plot.send_keys(Keys.ARROW_LEFT)
    assert int(plot.get_attribute("aria-valuenow")) < int(last)
    times = browser.run(
        "return [...document.querySelectorAll('.chart .cursor-time')].map((one) => one.textContent !== '')"
    )
    assert all(times)  # every chart shows its values at that time
    plot.send_keys(Keys.PAGE_UP)
    for _ in range(9):
        plot.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
    plot.send_keys(Keys.NULL)
    assert browser.run("return arguments[0].querySelector('.selection').getAttribute('d')", plot) != ""
    plot.send_keys(Keys.ENTER)
    eventually(lambda: assert_zoomed(browser), PATIENCE)
    found = period(browser)
    assert found["to"] - found["from"] == pytest.approx(90, abs=11)
    plot.send_keys("-")
    eventually(lambda: assert_longer(browser, 100), PATIENCE)
    plot.send_keys(Keys.ESCAPE)
    eventually(lambda: assert_zoomed(browser, is_zoomed=False), PATIENCE)


def assert_longer(browser: Browser, seconds: float) -> None:
    found = period(browser)
    assert (
        found.get("to", time.time()) - (found["from"] if found["from"] > 0 else time.time() + found["from"]) > seconds
    )


def touch(browser: Browser, x: float, y: float, dx: float, dy: float) -> None:
    """Drag with one finger."""

    def send(kind: str, *points: dict[str, float]) -> None:
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    send("touchStart", {"x": x, "y": y})
    for step in range(1, 11):
        send("touchMove", {"x": x + dx * step / 10, "y": y + dy * step / 10})
    send("touchEnd")


def test_on_a_phone_a_horizontal_drag_zooms_and_a_vertical_one_scrolls(browser: Browser, url: str) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        open_page(browser, url + QUEUE, width=390, height=844)
        browser.run("document.querySelector('.plot').scrollIntoView({block: 'center'})")
        box = browser.run("return document.querySelector('.plot').getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = browser.run("return scrollY")
        touch(browser, x, y, 4, -200)
        eventually(lambda: assert_scrolled(browser, before), PATIENCE)
        assert_zoomed(browser, is_zoomed=False)
        browser.run("document.querySelector('.plot').scrollIntoView({block: 'center'})")
        touch(browser, x, y, 100, 4)
        eventually(lambda: assert_zoomed(browser), PATIENCE)
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def assert_scrolled(browser: Browser, before: float) -> None:
    assert browser.run("return scrollY") > before + 50


def test_a_chart_says_since_when_the_server_collects(browser: Browser, url: str) -> None:
    open_page(browser, f"{url}{WORKER}?window=3h")
    texts = browser.run("return [...document.querySelectorAll('.chart .since')].map((one) => one.textContent)")
    assert len(texts) == 6 and all(re.match(r"collecting since \d+:\d\d:\d\d", text) for text in texts)
    assert browser.run("return document.querySelector('.outages').getAttribute('d')") != ""
    open_page(browser, f"{url}{WORKER}?window=2m")
    assert browser.run("return document.querySelector('.chart .since').textContent") == ""


def test_an_impossible_period_in_the_address_is_the_usual_one(browser: Browser, url: str) -> None:
    browser.reset()
    for query in ("from=x", "from=-0", "from=99999999999999&to=5", "window=nothing", "from=1&to=2"):
        browser.open(f"{url}{QUEUE}?{query}")
        browser.await_text("Over time", "Backlog", timeout=PATIENCE)
    assert browser.errors() == []


@pytest.mark.redis
@pytest.mark.timeout(300)
def test_a_restart_and_a_deployment_of_real_workers_are_marked(browser: Browser, redis_project: Project) -> None:
    project = redis_project
    project.install = {"interval": 0.5, "release": "v41"}
    with running_dashboard(project) as dashboard:
        for number, release in enumerate(("v41", "v41", "v42")):
            project.install = {"interval": 0.5, "release": release}
            with project.worker(*QUIET, pool="threads") as worker:
                browser.open(f"{dashboard.url}workers/0/{worker.node}")
                browser.await_text("online", timeout=PATIENCE)
                for text in (f"{worker.node} restarted", f"release v42 on {worker.node} (was v41)")[:number]:
                    browser.await_text(text, timeout=PATIENCE)
                if number == 2:
                    eventually(partial(assert_resources, browser), PATIENCE)
                worker.terminate()
        for page in ("", f"queues/0/{project.queues[0]}"):
            browser.open(dashboard.url + page)
            browser.await_text("restarted", "release v42", timeout=PATIENCE)
        kinds = "return ['restart', 'deploy'].map((kind) => document.querySelector(`.mark.${kind}`).getAttribute('d'))"
        assert all(browser.run(kinds))


def assert_resources(browser: Browser) -> None:
    """Check that memory and CPU time of the worker are drawn."""
    script = "return ['rss', 'cpu'].map((name) => document.querySelector(`.line.${name}`).getAttribute('d'))"
    assert all(browser.run(script))
