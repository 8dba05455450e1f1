"""How long a scrape takes, and what the exporter costs, while a fleet in a bottle speaks.

`python -m benchmarks.scraping [--workers 1000] [--queues 10] [--interval 1] [--broker URL] [--seconds 30] [--warmup 5]
[--every 0.5] [--no-hostname] [--max-series N]`, and the other options of benchmarks.listening.

Fleet and scraper are processes of their own. The scraper takes the page as Prometheus does, compressed, and measures
from connecting to the last byte.
"""

import argparse
import http.client
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

from celery import Celery

from benchmarks.listening import REPOSITORY, clean, cost, fleet, quantiles
from benchmarks.listening import parse as parse_listening
from celery_gossip import GossipOptions, Listener
from celery_gossip.exporter import Exporter, ExporterOptions


def main() -> None:
    options = parse()
    if options.scrape:
        scrape_on(options.scrape, options.every, options.seconds)
        return
    app = Celery("bottle", broker=options.broker, set_as_current=False)
    try:
        measure(app, options)
    finally:
        clean(app, options.exchange)


def measure(app: Celery, options: argparse.Namespace) -> None:
    """Print what scrapes took, and what this process had to do for them."""
    listener = Listener(app, GossipOptions(exchange=options.exchange))
    exported = ExporterOptions(by_hostname=not options.no_hostname, max_series=options.max_series)
    with fleet(options), listener, Exporter(listener, exported, port=0) as exporter:
        listener.wait(workers=options.workers, timeout=30 + 3 * options.interval)
        time.sleep(options.warmup)
        arguments = [f"--scrape={exporter.url}", f"--every={options.every}", f"--seconds={options.seconds}"]
        scraper = subprocess.Popen([sys.executable, "-m", "benchmarks.scraping", *arguments], cwd=REPOSITORY)
        cpu, peak = cost(options.seconds)
        scraper.wait(timeout=30)
        states = Counter(worker.state for worker in listener.view().workers)
        print(f"exporter's process: CPU {cpu:.1%} of a core, memory {peak:.0f} MB at most; workers {dict(states)}")
        body = plain_page(exporter.url)
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        told = [line for line in lines if line.startswith("celery_gossip_exporter_")]
        print(f"page: {len(lines)} time series, {len(body) / 2**20:.2f} MB; {', '.join(told)}", flush=True)


def scrape_on(url: str, every: float, seconds: float) -> None:
    """Scrape again and again, and print how long it took."""
    took, sizes, end = [], [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        sizes.append(len(page(url, {"Accept-Encoding": "gzip"})))
        took.append((time.perf_counter() - began) * 1e3)
        time.sleep(every)
    print(f"{len(took)} scrapes of {sizes[-1] / 2**20:.3f} MB compressed, milliseconds: {quantiles(took)}", flush=True)


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
