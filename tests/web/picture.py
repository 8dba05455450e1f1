"""Pictures of the dashboard, as the README shows them: `python -m tests.web.picture [--to FOLDER] [--pages PAGE …]`.

A shop's fleet of which twenty minutes have passed (tests.web.shop), in a real Chromium, wide and narrow, light and
dark.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from celery_gossip.web.api import Api
from celery_gossip.web.asset import Assets
from celery_gossip.web.board import Board
from celery_gossip.web.guard import Guard
from celery_gossip.web.look import Watch
from tests.support import eventually
from tests.support.brokers import free_port
from tests.web.browser import Browser, browsing
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
    """Serves the shop's dashboard on a thread, and lets its time pass."""

    def __init__(self) -> None:
        offset = time.time() - time.monotonic()
        self.shop = Shop(time.monotonic() + READY, offset)
        clock = self.shop.clock
        self._watch = Watch("0", "shop", self.shop, clock, lambda: clock() + offset)
        while self._is_behind:
            self.shop.advance()
            self._watch.look()
        self.port = free_port()
        self._is_over = False

    @property
    def _is_behind(self) -> bool:
        return self.shop.clock() + INTERVAL <= time.monotonic()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over = True
            thread.join(10)

    async def _serve(self) -> None:
        board = Board([self._watch])
        routes = Starlette(routes=[*Api(board, None, {}).routes(), *Assets().routes()])
        guard = Guard(routes, frozenset({"127.0.0.1"}), None)
        server = uvicorn.Server(uvicorn.Config(guard, port=self.port, log_level="warning", lifespan="off"))
        server.install_signal_handlers = lambda: None
        board.start()
        serving = asyncio.create_task(server.serve())
        while not self._is_over:
            await asyncio.sleep(0.1)
            if self._is_behind:
                self.shop.advance()
        await board.stop()
        server.should_exit = True
        await serving


def snap(browser: Browser, url: str, width: int, height: int, scheme: str, to: Path) -> None:
    browser.open(url, width, height, scheme)
    eventually(lambda: assert_drawn(browser), 15)
    time.sleep(1.5)  # a tick of every age and figure
    browser.driver.save_screenshot(str(to))


def assert_drawn(browser: Browser) -> None:
    assert "live" in browser.text.lower() and "Loading" not in browser.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--schemes", nargs="+", default=SCHEMES, choices=SCHEMES)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    stage = Stage()
    with stage.serving(), browsing() as browser:
        for page in options.pages:
            for size in options.sizes:
                for scheme in options.schemes:
                    to = options.to / f"{page}-{size}-{scheme}.png"
                    snap(browser, stage.url + PAGES[page], *SIZES[size], scheme, to)
                    print(to, flush=True)


if __name__ == "__main__":
    main()
