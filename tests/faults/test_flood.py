"""One peer says more than anybody can hear: the listener stays small, and the real workers stay visible and online."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread

import pytest

from celery_gossip import GossipOptions
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.encoding import encode
from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.listened import ListenerProcess, listener_process
from tests.support.voices import exchange_of, flooded, voices
from tests.support.workers import Project
from tests.unit.build import a_gossip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RATE = 20_000.0 if SCALE.is_full else 3_000.0  #: messages a second
LARGE_RATE = 500.0 if SCALE.is_full else 100.0  #: of 60 KB
ILL = ("suspect", "lost")
MOST_MEMORY = 200  #: MB
BROKERS = [
    pytest.param("redis", marks=pytest.mark.redis),
    pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
]
#: In the short form one of each is enough: the gate is the same for both brokers.
KINDS = ("gossip", "same", "junk", "echo", "boots", "large") if SCALE.is_full else ("gossip",)


@dataclass(frozen=True)
class Siege:
    """Ten voices that are heard by a listener, on a broker of their own."""

    project: Project
    listener: ListenerProcess
    hostnames: tuple[str, ...]

    @property
    def broker(self) -> str:
        return "Redis" if self.project.broker_url.startswith("redis") else "RabbitMQ"


@pytest.fixture(scope="module", params=BROKERS)
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with ExitStack() as stack:
        broker = (
            request.getfixturevalue("private_rabbitmq")
            if request.param == "rabbitmq"
            else stack.enter_context(brokers.running(brokers.private("redis")))
        )
        project = Project(broker.url)
        listener = stack.enter_context(listener_process(project))
        hostnames = stack.enter_context(voices(project))
        listener.await_states("online", *hostnames)
        yield Siege(project, listener, hostnames)


@pytest.mark.parametrize("kind", KINDS)
def test_who_floods_is_not_taken_and_nobody_else_suffers(siege: Siege, figures: Figures, kind: str) -> None:
    rate = LARGE_RATE if kind == "large" else RATE
    seconds = SCALE.flood if kind == "gossip" else SCALE.flood / 6
    listener, case = siege.listener, f"{siege.broker}, {kind}"
    throttled = listener.refused["throttled"]
    with flooded(siege.project, kind, rate) as flood:
        eventually(lambda: assert_sending(flood.sent))
        began, before, cpu = time.monotonic(), flood.sent, listener.cpu_seconds
        time.sleep(seconds)  # what does not happen can only be seen over time
        passed = time.monotonic() - began
        sent, cpu = (flood.sent - before) / passed, (listener.cpu_seconds - cpu) / passed
    figures.check("flood", case, "messages sent per second", sent, least=0.9 * rate, is_noisy=True)
    figures.note("flood", case, "listener's CPU, share of a core", cpu)
    assert_unharmed(siege, figures, "flood", case, began)
    eventually(lambda: assert_throttled(listener, throttled))


def test_many_hostnames_do_not_push_out_who_is_there(siege: Siege, figures: Figures) -> None:
    if siege.broker == "RabbitMQ" and not SCALE.is_full:
        pytest.skip("in the short form Redis alone: what keeps them out does not depend on the broker")
    names = 1_000_000 if SCALE.is_full else 10_000
    case, began, timeout = f"{siege.broker}, {names:,} hostnames", time.monotonic(), 2 * names / RATE + 30
    with flooded(siege.project, "names", RATE) as flood:
        eventually(lambda: assert_sending(flood.sent, names // 4), timeout)
        with speaking(siege.project, "celery@late") as started_at:
            eventually(lambda: assert_sending(flood.sent, names), timeout)
        assert_unharmed(siege, figures, "names", case, began)
    seen = siege.listener.told("online", about=("celery@late",))
    during = f"after {seen[0].at - started_at:.1f} s" if seen else "not while it lasted"
    figures.note("names", case, "a worker that starts meanwhile is in the view", during)


@contextmanager
def speaking(project: Project, hostname: str) -> Iterator[float]:
    """A worker that says something every second; when it began."""
    publisher, is_over = Publisher(open_broker(project.app(), GossipOptions(exchange=exchange_of(project)))), Event()

    def speak() -> None:
        for seq in count(1):
            publisher.publish(encode(a_gossip(hostname=hostname, seq=seq)))
            if is_over.wait(1.0):
                break
        publisher.close()

    thread = Thread(target=speak)
    thread.start()
    try:
        yield time.monotonic()
    finally:
        is_over.set()
        thread.join()


def assert_sending(sent: int, least: int = 1) -> None:
    assert sent >= least


def assert_throttled(listener: ListenerProcess, before: int) -> None:
    assert listener.refused["throttled"] > before


def assert_unharmed(siege: Siege, figures: Figures, row: str, case: str, since: float) -> None:
    """Of the real workers nobody was anything but online, and the listener was small and heard itself."""
    listener = siege.listener
    told = {state: len(listener.told(state, after=since, about=siege.hostnames)) for state in ILL}
    figures.check(row, case, "listener's memory, MB", listener.most_memory, most=MOST_MEMORY)
    figures.check(row, case, "real workers that became lost", told["lost"], most=0)
    figures.check(row, case, "real workers that became suspect", told["suspect"], most=0, is_noisy=True)
    isolated = [one for one in listener.told("raised", after=since) if one.whom == "isolated"]
    figures.check(row, case, "changes of the listener to isolated", len(isolated), most=1, is_noisy=True)
    eventually(lambda: assert_all_online(siege), timeout=20)


def assert_all_online(siege: Siege) -> None:
    """The latest that was told of each."""
    latest = {one.whom: one.what for one in list(siege.listener.lines) if one.whom in siege.hostnames}
    assert set(latest.values()) == {"online"}, latest
