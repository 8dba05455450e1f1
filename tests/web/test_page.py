"""The pure parts of the page, as the browser runs them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from celery_gossip.web.asset import Assets
from celery_gossip.web.look import Watch
from celery_gossip.web.subject import SIZES, steps_of
from celery_gossip.web.topic import Subject
from tests.unit.build import a_check, a_series
from tests.web.browser import Browser, browsing
from tests.web.hosting import hosted
from tests.web.scene import Fleet

NOW = 1000.5
WINDOW = {"seconds": 120, "size": 2}

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def driven() -> Iterator[tuple[Browser, str]]:
    with browsing() as browser, hosted([Fleet().watch()]) as url:
        yield browser, url


@pytest.fixture
def browser(driven: tuple[Browser, str]) -> Browser:
    browser, url = driven
    if browser.driver.current_url != url:
        browser.open(url)
    return browser


def call(browser: Browser, module: str, expression: str, *arguments: Any) -> Any:
    """What `expression` is, in which `m` is the module and `a` the list of arguments."""
    script = """
        const [path, a, done] = arguments;
        import(new URL(path, document.baseURI)).then((m) => done(EXPRESSION), (error) => done(String(error)));
    """
    path = f"{Assets().static}/{module}.js"
    return browser.driver.execute_async_script(script.replace("EXPRESSION", expression), path, list(arguments))


def charted(browser: Browser, *steps: dict[str, Any], since: float = 0, now: float = NOW, **window: float) -> Any:
    return call(browser, "series", "m.charted(a[0], a[1], a[2], a[3])", steps, now, {**WINDOW, **window}, since)


def a_step(start: float, size: float = 2.0, seconds: float | None = None, **told: Any) -> dict[str, Any]:
    seconds = size if seconds is None else seconds
    return {"size": size, "start": start, "seconds": seconds, "succeeded": 0, "failed": 0, **told}


def test_a_chart_has_a_point_for_each_step_and_none_for_what_has_only_begun(browser: Browser) -> None:
    data = charted(browser, a_step(990.3, succeeded=6, failed=2, wait_p95=0.5), a_step(992.3, succeeded=4))
    assert (data["start"], data["end"]) == (879.5, 999.5)
    points = dict(zip(data["times"], zip(data["succeeded"], data["failed"], data["share"], strict=True), strict=True))
    told = {round(time, 1): point for time, point in points.items()}
    assert told[991.3] == (3, 1, 0.25) and told[993.3] == (2, 0, 0) and told[995.3] == (0, 0, None)
    assert len(points) == 59 and max(points) < 999.5
    assert data["wait_p95"].count(0.5) == 1 and data["wait_p95"].count(None) == 58


@pytest.mark.parametrize("window", [{"seconds": 120, "size": 2}, {"seconds": 600, "size": 10}])
def test_a_steady_fleet_is_a_level_line_whenever_it_is_looked_at(browser: Browser, window: dict[str, float]) -> None:
    fleet, second = Fleet(), 0
    watch = Watch("0", "shop", fleet, fleet.clock, lambda: fleet.clock() + 1_000_000.3)
    for half in range(1, 1425):
        fleet.clock.advance(0.5)
        if half % 2 == 0:
            second += 1
            fleet.say(series=(a_series(age=float(second), received=10 * second, succeeded=10 * second),))
        if half < 1400:
            continue
        look = watch.look()
        steps = steps_of(Subject("pace"), {"0": look}, {"0": fleet}, window["seconds"]).values()
        told = json.loads(msgspec.json.encode(list(steps)))
        for late in (-0.6, 0.0, 0.6):
            rates = charted(browser, *told, now=look.unix(fleet.clock()) + late, **window)["succeeded"]
            assert {round(rate, 3) for rate in rates[:-1]} == {10}, (half, late, rates)


def test_a_step_that_goes_on_is_told_by_the_seconds_that_have_passed(browser: Browser) -> None:
    data = charted(browser, a_step(980.0, 10.0, succeeded=20), a_step(990.0, 10.0, 9.5, succeeded=19), size=10)
    assert data["succeeded"][-2:] == [2, 2]
    data = charted(browser, a_step(998.0, 10.0, 2.5, succeeded=99), size=10)
    assert data["succeeded"][-1] == 0  # too little has passed


def test_steps_of_other_sizes_are_of_other_charts(browser: Browser) -> None:
    data = charted(browser, a_step(990.0, 10.0, succeeded=20), a_step(960.0, 60.0, succeeded=60))
    assert set(data["succeeded"]) == {0}


def test_nothing_is_told_of_the_time_before_anybody_listened(browser: Browser) -> None:
    data = charted(browser, a_step(984.0, 2.0, 1.0, succeeded=5), a_step(986.0, succeeded=2), since=985.0)
    assert data["times"][:2] == [985.5, 987] and data["succeeded"][:2] == [5, 1] and data["start"] == 879.5
    assert charted(browser, since=NOW + 100)["times"] == []
    assert call(browser, "series", "m.charted([], 1000, m.WINDOWS['10m'], Infinity).times.length") == 0


def test_the_page_shows_charts_of_which_the_server_tells(browser: Browser) -> None:
    windows = call(browser, "series", "m.WINDOWS").values()
    assert len(windows) == 4
    for one in windows:
        assert one["size"] == next(size for most, size in SIZES.items() if one["seconds"] <= most)


def test_an_address_may_name_a_page_of_a_table(browser: Browser) -> None:
    fleet = Fleet()
    fleet.say(checks=tuple(a_check(f"queue{number:03}") for number in range(120)))
    with hosted([Watch("0", "shop", fleet)]) as url:
        browser.open(f"{url}queues?page=3")
        browser.await_text("101–120 of 120", "queue119")
        browser.click("Previous")
        browser.await_text("51–100 of 120")
        browser.click("Previous")
        browser.await_text("1–50 of 120")
        assert browser.driver.current_url == f"{url}queues"


@pytest.mark.parametrize(
    ("value", "least"), [(0, 1), (0.9, 1), (1.2, 2), (2.2, 2.5), (3, 5), (70, 100), (0.003, 0.005)]
)
def test_a_scale_ends_at_a_round_figure(browser: Browser, value: float, least: float) -> None:
    assert call(browser, "series", "m.roundedUp(a[0])", value) == pytest.approx(least)


def test_an_address_names_a_page_and_how_it_is_looked_at(browser: Browser) -> None:
    def parsed(path: str, search: str = "") -> Any:
        return call(browser, "router", "m.parse(a[0], a[1])", path, search)

    assert parsed("", "?source=1") == {"page": "overview", "query": {"source": "1"}}
    assert parsed("queues", "?q=mail&state=paused")["query"] == {"q": "mail", "state": "paused"}
    told = parsed("workers/0/celery%40web%2F1")
    assert (told["page"], told["source"], told["name"]) == ("worker", "0", "celery@web/1")
    assert parsed("tasks/0/%E0%A4%A")["name"] == "%E0%A4%A"
    for path in ("queues/0", "queues/0/a/b", "constructor", "secrets"):
        assert parsed(path)["page"] == "missing"
    assert call(browser, "router", "m.queryText(a[0])", {"state": "", "q": "a b", "page": "2"}) == "page=2&q=a+b"


def test_rows_match_by_every_word_by_state_and_by_source(browser: Browser) -> None:
    rows = [
        {"source": "0", "name": "mail out", "state": "paused"},
        {"source": "1", "name": "mail in", "state": "running"},
    ]
    options = "{stateOf: (row) => row.state, textOf: (row) => row.name}"

    def matching(**query: str) -> Any:
        return call(
            browser, "list_page", f"a[0].filter(m.matching(a[1], {options})).map((row) => row.name)", rows, query
        )

    assert matching() == ["mail out", "mail in"]
    assert matching(q="OUT ma") == matching(state="paused") == matching(source="0") == ["mail out"]
    assert matching(q="mail", source="2") == []


def test_rows_do_not_run_away_while_they_are_read(browser: Browser) -> None:
    script = """(() => {
        const order = new m.Order();
        const rows = (loads) => new Map(Object.entries(loads).map(([key, load]) => [key, {load}]));
        const sort = m.sorting("-load", [{id: "load", by: (row) => row.load}], "-load");
        const at = (now, loads, isPointed = false) =>
            order.keys(rows(loads), () => true, sort, {now, isPointed}).join("");
        return [
            at(0, {a: 1, b: 2, c: null}), at(1, {a: 3, b: 2, c: null, d: 9}), at(4, {a: 3, b: 2, c: null}),
            at(7, {a: 0, b: 2, c: null}, true), at(10, {a: 0, b: 2, c: null}, true),
        ];
    })()"""
    assert call(browser, "order", script) == ["bac", "bacd", "abc", "abc", "bac"]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("m.duration(0.12)", "120 ms"),
        ("m.duration(0.9996)", "1 s"),
        ("m.duration(59.96)", "1 min"),
        ("m.duration(null)", "–"),
        ("m.age(3725)", "1 h 2 min"),
        ("m.age(-3)", "0 s"),
        ("m.percent(0.0004)", "<0.1 %"),
        ("m.percent(0.123)", "12 %"),
        ("m.rate(0.001)", "<0.01"),
        ("m.rate(123.4)", "123"),
        ("m.count(undefined)", "–"),
        ("m.count(1234567)", "1.2M"),
    ],
)
def test_figures_are_told_in_few_digits(browser: Browser, expression: str, text: str) -> None:
    assert call(browser, "format", expression) == text
