"""The page in a browser, with a listener in this process; tests of its pure modules are in tests/page."""

from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.static import Assets
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


CHART = """
    const done = arguments[1];
    Promise.all([import(`${arguments[0]}/chart.js`), import(`${arguments[0]}/series.js`)]).then(([chart, series]) => {
        const lines = [{id: "succeeded", label: "succeeded"}];
        window.chart = new chart.Chart({title: "Throughput", format: String, lines, onHover: () => {}});
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
        when = "return chart.element.querySelector('.when').textContent"
        browser.run("chart.hover(3)")
        assert browser.run(when) != ""
        browser.run("chart.update(data(Infinity))")
        assert browser.run(when) == ""
        browser.run("chart.update(data(0))")
        assert browser.run(when) != ""


def assert_drawn(path: Any) -> None:
    assert path
