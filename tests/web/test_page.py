"""The page in a browser, with a listener in this process; tests of its pure modules are in tests/page."""

from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.static import Assets
from celery_gossip.wire.messages import TaskFailure
from tests.support import eventually
from tests.unit.build import a_check, a_series
from tests.web.browser import Browser, browsing
from tests.web.fake_fleet import FakeFleet
from tests.web.in_process import serve_in_thread


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


def test_an_address_can_name_a_page_of_a_table(browser: Browser) -> None:
    fleet = FakeFleet()
    fleet.report(checks=tuple(a_check(f"queue{number:03}") for number in range(120)))
    with serve_in_thread([Sampler("0", "shop", fleet)]) as url:
        browser.open(f"{url}queues?page=3")
        browser.await_text("101–120 of 120", "queue119")
        browser.click("Previous")
        browser.await_text("51–100 of 120")
        browser.click("Previous")
        browser.await_text("1–50 of 120")
        assert browser.driver.current_url == f"{url}queues"


def test_a_queue_with_an_invisible_name_is_shown_and_can_be_opened(browser: Browser) -> None:
    fleet = FakeFleet()
    fleet.report(checks=(a_check(".."), a_check("\u3164")))
    with serve_in_thread([Sampler("0", "shop", fleet)]) as url:
        browser.open(f"{url}queues")
        browser.await_text(r"\u3164", "..")
        browser.click("..")
        browser.await_text("consum", "..")
        assert browser.driver.current_url == f"{url}queues/0/?name=.."


def test_a_list_without_states_opens_under_an_address_with_one(browser: Browser) -> None:
    fleet = FakeFleet()
    fleet.report(series=(a_series("mail", task="shop.pack", age=0.5, received=1),))
    with serve_in_thread([Sampler("0", "shop", fleet)]) as url:
        browser.reset()
        browser.open(f"{url}tasks?state=paused")
        browser.await_text("No task matches", "0 of 1 task")
        browser.click("Clear filters")
        browser.await_text("shop.pack")
        assert browser.errors() == []


def test_a_failure_is_found_and_read(browser: Browser) -> None:
    fleet = FakeFleet()
    names = ("shop.pay", "mail", "CardDeclined", "shop.tasks:pay:41", "<img src=x onerror=window.hurt=1>", "other")
    details: dict[str, Any] = {"message": "no funds <b>", "frames": (4, 3), "own_frame": 1, "retries": 2}
    failure = TaskFailure(number=1, task=0, queue=1, exception=2, id="id-1&x", age=2.0, **details)
    fleet.report(names=names, failures=(failure, TaskFailure(2, 5, 1, 2, "id-2", 1.0)))
    with serve_in_thread([fleet.sampler()], "https://sentry.example/?query={id}") as url:
        browser.reset()
        browser.open(f"{url}queues/0/default")
        browser.await_text("default", "Failures")
        browser.open(f"{url}failures?q=declined+funds")
        browser.await_text("1 of 2 groups", "no funds <b>")
        browser.click("shop.pay")
        browser.await_text("CardDeclined", "no funds <b>", "shop.tasks:pay:41", "after 2 retries", "celery@web1")
        link = browser.run("const a = document.querySelector('.case-head a'); return [a.href, a.rel, a.target]")
        assert link == ["https://sentry.example/?query=id-1%26x", "noopener noreferrer", "_blank"]
        fleet.report(names=names, failures=(TaskFailure(3, 5, 1, 2, "id-3", 0.0),))
        browser.open(f"{url}failures")
        browser.click("other")
        browser.await_text("id-3", "id-2", "neither messages nor tracebacks")
        assert browser.run("return window.hurt") is None and browser.errors() == []


CHART = """
    const done = arguments[1];
    Promise.all([import(`${arguments[0]}/chart.js`), import(`${arguments[0]}/series.js`)]).then(([chart, series]) => {
        const lines = [{id: "succeeded", label: "succeeded"}];
        window.chart = new chart.Chart({title: "Throughput", axis: "count", format: String, lines, onHover: () => {}});
        window.data = (since) => series.charted([], 1000, {seconds: 120, size: 2}, since);
        document.body.append(window.chart.element);
        window.chart.update(window.data(0));
        done();
    }, (error) => done(String(error)));
"""


def test_a_chart_under_the_pointer_can_lose_all_its_steps(browser: Browser) -> None:
    """As it does when the server restarts: there is no step before the new listener started."""
    with serve_in_thread([FakeFleet().sampler()]) as url:
        browser.open(url)
        assert browser.driver.execute_async_script(CHART, f"{url}{Assets().static}") is None
        script = "return chart.element.querySelector('path.line').getAttribute('d')"
        eventually(lambda: assert_drawn(browser.run(script)), 10)
        when = "return chart.element.querySelector('.cursor-time').textContent"
        browser.run("chart.hover(900)")
        assert browser.run(when) != ""
        browser.run("chart.update(data(Infinity))")
        assert browser.run(when) == ""
        browser.run("chart.update(data(0))")
        assert browser.run(when) != ""


def assert_drawn(path: Any) -> None:
    assert path
