"""Duration of a scrape and cost of the exporter, while a synthetic fleet publishes.

`python -m benchmarks.scraping [--workers 1000] [--queues 10] [--interval 1] [--broker URL] [--seconds 30] [--warmup 5]
[--every 0.5] [--no-hostname] [--max-series N] [--json]`, and the other options of benchmarks.listening.

Fleet and scraper are processes of their own. The scraper requests the metrics as Prometheus does, with compression, and
measures from connecting to the last byte.
"""

import argparse
import http.client
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from celery import Celery

from benchmarks.figure import Quantiles, quantiles
from benchmarks.listening import Said, clean, cost, fleet
from benchmarks.listening import parse as parse_listening
from benchmarks.process import python
from celery_gossip import GossipOptions, Listener
from celery_gossip.exporter import Exporter, ExporterOptions
from tests.support.workers import REPOSITORY


@dataclass(frozen=True)
class Scrapes:
    """Results of the scraper."""

    took: Quantiles  #: ms
    compressed: int  #: bytes of the latest response


@dataclass(frozen=True)
class Scraped:
    """Results of the scraper, and the cost in the exporter's process."""

    scrapes: Scrapes
    cpu: float  #: share of a core
    memory: float  #: MB, maximum
    states: dict[str, int]
    lines: int  #: time series
    size: int  #: bytes, uncompressed
    own: dict[str, float]  #: metrics of the exporter itself
    fleet: str


def main() -> None:
    options = parse()
    if options.scrape:
        print(msgspec.json.encode(scrape_on(options.scrape, options.every, options.seconds)).decode())
        return
    app = Celery("bottle", broker=options.broker, set_as_current=False)
    try:
        seen = measure(app, options)
    finally:
        clean(app, options.exchange)
    print(msgspec.json.encode(seen).decode() if options.json else told(seen), flush=True)


def told(seen: Scraped) -> str:
    return (
        f"{seen.scrapes.took.count} scrapes of {seen.scrapes.compressed / 2**20:.3f} MB compressed, milliseconds: "
        f"{seen.scrapes.took}\n"
        f"exporter's process: CPU {seen.cpu:.1%} of a core, memory {seen.memory:.0f} MB at most; "
        f"workers {seen.states}\n"
        f"page: {seen.lines} time series, {seen.size / 2**20:.2f} MB; {seen.own}\nfleet: {seen.fleet}"
    )


def measure(app: Celery, options: argparse.Namespace) -> Scraped:
    """Measure scrapes, and the cost in this process."""
    listener, said = Listener(app, GossipOptions(exchange=options.exchange)), Said()
    exported = ExporterOptions(by_hostname=not options.no_hostname, max_series=options.max_series)
    with fleet(options, said), listener, Exporter(listener, exported, port=0) as exporter:
        listener.wait(workers=options.workers, timeout=30 + 3 * options.interval)
        time.sleep(options.warmup)
        arguments = [f"--scrape={exporter.url}", f"--every={options.every}", f"--seconds={options.seconds}"]
        command = python("benchmarks.scraping", *arguments)
        scraper = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
        cpu, peak = cost(options.seconds)
        scrapes, _ = scraper.communicate(timeout=30)
        states = Counter(worker.state for worker in listener.view().workers)
        body = plain_page(exporter.url)
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return Scraped(
        scrapes=msgspec.json.decode(scrapes, type=Scrapes),
        cpu=cpu,
        memory=peak,
        states=dict(states),
        lines=len(lines),
        size=len(body),
        own=own_figures(lines),
        fleet=said.text,
    )


def own_figures(lines: list[str]) -> dict[str, float]:
    prefix = "celery_gossip_exporter_"
    own = (line.removeprefix(prefix).rsplit(" ", 1) for line in lines if line.startswith(prefix))
    return {name: float(value) for name, value in own}


def scrape_on(url: str, every: float, seconds: float) -> Scrapes:
    """Scrape repeatedly."""
    took, size, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        size = len(page(url, {"Accept-Encoding": "gzip"}))
        took.append((time.perf_counter() - began) * 1e3)
        time.sleep(every)
    return Scrapes(quantiles(took), size)


def plain_page(url: str) -> bytes:
    return page(url, {})


def page(url: str, headers: dict[str, str]) -> bytes:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    try:
        connection.request("GET", address.path, headers=headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.scraping", add_help=False)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two scrapes")
    parser.add_argument("--no-hostname", action="store_true")
    parser.add_argument("--max-series", type=int, default=ExporterOptions().max_series)
    parser.add_argument("--scrape", help=argparse.SUPPRESS)
    own, others = parser.parse_known_args()
    if own.scrape:
        parser.add_argument("--seconds", type=float)
        return parser.parse_args()
    return argparse.Namespace(**{**vars(parse_listening(others)), **vars(own)})


if __name__ == "__main__":
    main()
