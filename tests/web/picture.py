"""Pictures of the dashboard, as the README shows them: `python -m tests.web.picture [--to FOLDER] [--pages PAGE …]`.

A shop's fleet of which twenty minutes have passed (tests.web.shop), in a real Chromium, wide and narrow, light and
dark.
"""

import argparse
import time
from pathlib import Path

from celery_gossip.web.look import Watch
from tests.support import eventually
from tests.web.browser import Browser, browsing
from tests.web.hosting import hosted
from tests.web.shop import INTERVAL, Shop

#: `{name of the file: address}`
PAGES = {
    "overview": "",
    "queues": "queues",
    "queue": "queues/0/payments",
    "workers": "workers",
    "worker": "workers/0/orders%40fra-2",
    "tasks": "tasks",
    "task": "tasks/0/shop.payments.charge",
}
SIZES = {"wide": (1440, 900), "narrow": (375, 812)}
SCHEMES = ("light", "dark")
READY = 30.0  #: seconds after the start in which the first picture is taken


class Stage:
    """The shop, and who looks at it; its time passes as the clock's does."""

    def __init__(self) -> None:
        offset = time.time() - time.monotonic()
        self._shop = Shop(time.monotonic() + READY, offset)
        clock = self._shop.clock
        self.watch = Watch("0", "shop", self._shop, clock, lambda: clock() + offset)
        while self._is_behind:
            self._shop.advance()
            self.watch.look()

    @property
    def _is_behind(self) -> bool:
        return self._shop.clock() + INTERVAL <= time.monotonic()

    def turn(self) -> None:
        if self._is_behind:
            self._shop.advance()


def snap(browser: Browser, url: str, width: int, height: int, scheme: str, to: Path) -> None:
    browser.open(url, width, height, scheme)
    eventually(lambda: assert_drawn(browser), 15)
    time.sleep(1.5)  # a tick of every age and figure
    browser.driver.save_screenshot(str(to))


def assert_drawn(browser: Browser) -> None:
    assert browser.run("return document.documentElement.dataset.link") == "live" and "Loading" not in browser.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--schemes", nargs="+", default=SCHEMES, choices=SCHEMES)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    stage = Stage()
    with hosted([stage.watch], stage.turn) as url, browsing() as browser:
        for page in options.pages:
            for size in options.sizes:
                for scheme in options.schemes:
                    to = options.to / f"{page}-{size}-{scheme}.png"
                    snap(browser, url + PAGES[page], *SIZES[size], scheme, to)
                    print(to, flush=True)


if __name__ == "__main__":
    main()
