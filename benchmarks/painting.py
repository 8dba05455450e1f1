"""Load time and smoothness of the dashboard's pages in a browser, with a thousand workers.

`python -m benchmarks.painting [--workers 1000] [--queues 10] [--opens 7] [--seconds 20]`

Debian's headless Chromium, on this machine, with the server and the fleet. "Drawn" is the second frame after the first
row of a table exists, measured from the start of the navigation, with an empty cache.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figure import quantile
from benchmarks.viewing import FLOWER, OURS, served, servers
from benchmarks.workload import project_on
from tests.support import brokers, eventually
from tests.web.browser import Browser, browsing

PATIENCE = 20.0  #: seconds until a page is drawn

#: Records when the first row is drawn, and every task that blocks the page for more than 50 ms.
WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => list.getEntries().forEach(({duration}) => window.longTasks.push(duration)))
  .observe({type: "longtask", buffered: true});
new MutationObserver((_, observer) => {
  if (!document.querySelector("tbody tr td, .matrix-cell")) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.drawnAt = performance.now(); }));
}).observe(document, {childList: true, subtree: true});
"""


@dataclass(frozen=True)
class Painting:
    """One page of one server."""

    drawn: list[float]  #: seconds, one for each opening, sorted
    busy: float  #: CPU share of the tab after it was drawn
    held: list[float]  #: seconds of each task of more than 50 ms in that time


#: `{server: {page: path}}`
PAGES = {
    OURS: {
        "overview": "",
        "queues": "queues",
        "one queue": "queues/0/queue01",
        "workers": "workers",
        "one worker": "workers/0/celery%40web01",
        "matrix": "matrix",
        "matrix of all workers": "matrix?group=worker",
    },
    FLOWER: {"workers": "workers"},
}


def main() -> None:
    options = parse()
    for server, page, one in measure(options.workers, options.queues, options.opens, options.seconds):
        drawn = f"drawn after p50 {quantile(one.drawn, 0.5):.3f}, max {one.drawn[-1]:.3f} s"
        held = f"{len(one.held)} tasks above 50 ms, the longest {max(one.held, default=0) * 1000:.0f} ms"
        print(f"{server}, {page}: {drawn}; then {one.busy:.1%} busy, {held}", flush=True)


def measure(workers: int, queues: int, opens: int, seconds: float) -> Iterator[tuple[str, str, Painting]]:
    """Yield `(server, page, result)`."""
    with brokers.running(brokers.private("redis")) as broker, project_on(broker.url) as project, browsing() as browser:
        browser.on_every_page(WATCH)
        for server in servers(workers, queues):
            with served(project, server) as (_, url):
                for page, path in PAGES[server.name].items():
                    yield server.name, page, _painted(browser, url + path, opens, seconds)


def _painted(browser: Browser, url: str, opens: int, seconds: float) -> Painting:
    drawn = sorted(_opened(browser, url) for _ in range(opens))
    time.sleep(1)
    before, began, seen = browser.busy_seconds(), time.monotonic(), browser.run("return longTasks.length")
    time.sleep(seconds)
    busy = (browser.busy_seconds() - before) / (time.monotonic() - began)
    held = [float(duration) / 1000 for duration in browser.run("return longTasks.slice(arguments[0])", seen)]
    browser.reset()
    return Painting(drawn, busy, held)


def _opened(browser: Browser, url: str) -> float:
    """Open the page; return the seconds until it is drawn."""
    browser.reset()
    browser.clear_cache()
    browser.open(url)

    def is_drawn() -> None:
        assert browser.run("return window.drawnAt ?? null") is not None

    eventually(is_drawn, PATIENCE, every=0.05)
    return float(browser.run("return window.drawnAt")) / 1000


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10)
    parser.add_argument("--opens", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
