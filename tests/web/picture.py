"""Pictures of the dashboard, as the documents show them: `python -m tests.web.picture [--to FOLDER] [--pages PAGE …]`.

They show twenty minutes of tests.web.demo_fleet in a real Chromium, wide and narrow, light and dark.
"""

import argparse
import time
from pathlib import Path

from celery_gossip.web.snapshot import Sampler
from tests.support import eventually
from tests.web.browser import Browser, browsing
from tests.web.demo_fleet import INTERVAL, DemoFleet
from tests.web.in_process import serve_in_thread

#: `{name of the file: address}`
PAGES = {
    "overview": "",
    "queues": "queues",
    "queue": "queues/0/payments",
    "workers": "workers",
    "worker": "workers/0/orders%40fra-2",
    "lost-worker": "workers/0/search%40fra-1",
    "matrix": "matrix",
    "matrix-hosts": "matrix?group=host",
    "tasks": "tasks",
    "task": "tasks/0/shop.payments.charge",
    "runs": "runs",
}
STEP_SIZES = {"wide": (1440, 900), "narrow": (375, 812)}
SCHEMES = ("light", "dark")
READY = 30.0  #: seconds from the start to the first picture


class Scene:
    """The demonstration fleet and its Sampler; its time follows the clock."""

    def __init__(self) -> None:
        offset = time.time() - time.monotonic()
        self._fleet = DemoFleet(time.monotonic() + READY, offset)
        clock = self._fleet.clock
        self.sampler = Sampler("0", "shop", self._fleet, clock, lambda: clock() + offset)
        while self._is_behind:
            self._fleet.advance()
            self.sampler.sample()

    @property
    def _is_behind(self) -> bool:
        return self._fleet.clock() + INTERVAL <= time.monotonic()

    def turn(self) -> None:
        if self._is_behind:
            self._fleet.advance()


def snap(browser: Browser, url: str, width: int, height: int, scheme: str, to: Path) -> None:
    browser.open(url, width, height, scheme)
    eventually(lambda: assert_drawn(browser), 15)
    time.sleep(1.5)  # until every age and figure was updated
    browser.driver.save_screenshot(str(to))


def assert_drawn(browser: Browser) -> None:
    assert browser.run("return document.documentElement.dataset.link") == "live" and "Loading" not in browser.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--schemes", nargs="+", default=SCHEMES, choices=SCHEMES)
    parser.add_argument("--sizes", nargs="+", default=list(STEP_SIZES), choices=list(STEP_SIZES))
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    scene = Scene()
    with serve_in_thread([scene.sampler], turn=scene.turn) as url, browsing() as browser:
        for page in options.pages:
            for size in options.sizes:
                for scheme in options.schemes:
                    to = options.to / f"{page}-{size}-{scheme}.png"
                    snap(browser, url + PAGES[page], *STEP_SIZES[size], scheme, to)
                    print(to, flush=True)


if __name__ == "__main__":
    main()
