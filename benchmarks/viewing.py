"""Cost of viewers in the server of a dashboard, with a thousand workers: ours and Flower's, on one broker.

`python -m benchmarks.viewing [--viewers 0 1 10 50] [--workers 1000] [--queues 10] [--seconds 15]`

A separate Redis. A synthetic fleet sends gossip, and the heartbeats by which Flower discovers workers, every 2 s as
real workers do. A viewer of ours reads the event stream of the page of workers; one of Flower's requests its table of
workers every second, as Flower's own page does.
"""

import argparse
import contextlib
import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from urllib.parse import urlsplit

from benchmarks import process
from benchmarks.process import Cost, Process, python
from benchmarks.workload import project_on
from tests.support import brokers
from tests.support.brokers import free_port
from tests.support.waiting import eventually
from tests.support.workers import REPOSITORY, Project

OURS, FLOWER = "celery gossip web", "Flower"
HEARTBEAT_EVERY = 2.0  #: seconds; Celery's own
WARM_UP = 12.0  #: seconds after the start of the fleet
ASK_EVERY = 1.0  #: seconds between two requests of Flower's page


@dataclass(frozen=True)
class Point:
    """Costs of each server with this number of viewers."""

    viewers: int
    costs: dict[str, Cost]
    bytes: dict[str, float]  #: kB per second that each viewer received


def main() -> None:
    options = parse()
    if options.heartbeats:
        send_heartbeats(options.workers)
    elif options.view:
        view(options.view, options.viewers[0], options.seconds)
    else:
        for point in measure(options.viewers, options.workers, options.queues, options.seconds):
            costs = "; ".join(f"{name} {cost}, {point.bytes[name]:.0f} kB/s each" for name, cost in point.costs.items())
            print(f"{point.viewers} viewers: {costs}", flush=True)


def measure(viewers: list[int], workers: int, queues: int, seconds: float) -> Iterator[Point]:
    """Measure one server after the other, each with the fleet."""
    with brokers.running(brokers.private("redis")) as broker, project_on(broker.url) as project:
        found = {server.name: list(_measured(project, server, viewers, seconds)) for server in servers(workers, queues)}
    for number, count in enumerate(viewers):
        points = {name: point[number] for name, point in found.items()}
        costs = {name: cost for name, (cost, _) in points.items()}
        yield Point(count, costs, {name: sent for name, (_, sent) in points.items()})


@dataclass(frozen=True)
class Server:
    """Command of a server, path that its viewers read, and the source of its workers."""

    name: str
    command: tuple[str, ...]
    path: str  #: path that a viewer reads
    speaker: Callable[[Project], list[str]]


def servers(workers: int, queues: int) -> Iterator[Server]:
    def bottle(project: Project) -> list[str]:
        where = (f"--broker={project.broker_url}", f"--exchange={project.conf['gossip_exchange']}")
        return python("benchmarks.fleet", f"--workers={workers}", f"--queues={queues}", *where)

    def heartbeats(project: Project) -> list[str]:
        return python("benchmarks.viewing", "--heartbeats", f"--workers={workers}")

    yield Server(OURS, ("gossip", "web"), "api/events?topic=fleet&topic=workers", bottle)
    if find_spec("flower") is not None:
        yield Server(FLOWER, ("flower", "--logging=error"), "workers?json=1", heartbeats)


def _measured(project: Project, server: Server, viewers: list[int], seconds: float) -> Iterator[tuple[Cost, float]]:
    with served(project, server) as (serving, url):
        for count in viewers:
            yield _with_viewers(serving, url + server.path, count, seconds)


@contextlib.contextmanager
def served(project: Project, server: Server) -> Iterator[tuple[Process, str]]:
    """Start the server; yield its process and its URL once it knows the whole fleet."""
    port = free_port()
    command = python("celery", "-A", project.module, *server.command, f"--port={port}")
    url = f"http://127.0.0.1:{port}/"
    with process.running(project, command) as serving, process.running(project, server.speaker(project)):
        eventually(partial(_assert_answers, url + server.path), timeout=30, every=0.5)
        time.sleep(WARM_UP)
        yield serving, url


def _with_viewers(server: Process, url: str, count: int, seconds: float) -> tuple[Cost, float]:
    if not count:
        (cost,) = process.cost_over([server], _passing(seconds))
        return cost, 0.0
    command = python("benchmarks.viewing", f"--view={url}", f"--viewers={count}", f"--seconds={seconds + 3}")
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as eyes:
        time.sleep(3)  # the first message contains the full tables
        (cost,) = process.cost_over([server], _passing(seconds))
        said, _ = eyes.communicate(timeout=60)
    return cost, float(said)


def _passing(seconds: float) -> Iterator[None]:
    time.sleep(seconds)
    yield


def _assert_answers(url: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            assert connection.getresponse().status == 200
        except OSError as exc:
            raise AssertionError(f"{url} does not answer") from exc


def view(url: str, count: int, seconds: float) -> None:
    """Run this number of viewers; print the kB per second that each received."""
    end = time.monotonic() + seconds
    look = _read_stream if "/api/events" in url else _ask_again
    sent = [0] * count

    def watch(number: int) -> None:
        with contextlib.suppress(OSError):
            for size in look(url, end):
                sent[number] += size

    threads = [threading.Thread(target=watch, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 10)
    print(sum(sent) / count / seconds / 1000)


def _read_stream(url: str, end: float) -> Iterator[int]:
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        while time.monotonic() < end:
            yield len(answer.read1(1 << 16))


def _ask_again(url: str, end: float) -> Iterator[int]:
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:
        while time.monotonic() < end:
            asked_at = time.monotonic()
            connection.request("GET", f"{parts.path}?{parts.query}")
            yield len(connection.getresponse().read())
            time.sleep(max(0.0, asked_at + ASK_EVERY - time.monotonic()))


def send_heartbeats(workers: int) -> None:
    """Send the heartbeats of idle workers, as Celery does, until it is stopped."""
    from tests.support.project import app

    fields = {"freq": HEARTBEAT_EVERY, "sw_ident": "py-celery", "sw_ver": "5.6.0", "sw_sys": "Linux"}
    with app.connection_for_write() as connection:
        dispatchers = [app.events.Dispatcher(connection, hostname=f"celery@w{number}") for number in range(workers)]
        while True:
            began = time.monotonic()
            for number, dispatcher in enumerate(dispatchers):
                dispatcher.send("worker-heartbeat", **fields, active=0, processed=number, loadavg=(0.1, 0.1, 0.1))
            time.sleep(max(0.0, began + HEARTBEAT_EVERY - time.monotonic()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[0, 1, 10, 50])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--view", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--heartbeats", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
