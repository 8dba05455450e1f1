"""A peer replays what it recorded, or names queues without end: living workers stay in view, dead ones are noticed."""

import base64
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import redis

from celery_gossip import GossipOptions, Listener
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.encoding import encode
from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.workers import REPOSITORY, Project
from tests.unit.build import a_check, a_gossip

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(180)]

SECRET = "a secret of the tests, long enough"
LIVING = "celery@living"
RATE = 8_000.0 if SCALE.is_full else 6_000.0  #: replays a second
SECONDS = 30.0 if SCALE.is_full else 12.0
CROWD = 400 if SCALE.is_full else 150  #: hostnames that name 390 queues each
ILL = ("suspect", "lost")


@dataclass
class Stage:
    """A broker of its own, and who speaks on it."""

    project: Project
    options: GossipOptions
    recorded: list[bytes] = field(default_factory=list)

    @property
    def app(self) -> Any:
        return self.project.app()

    def publisher(self) -> Publisher:
        return Publisher(open_broker(self.app, self.options))

    @property
    def broker(self) -> str:
        return "RabbitMQ" if self.project.broker_url.startswith("amqp") else "Redis"

    @property
    def channel(self) -> str:
        return f"/0.{self.options.exchange}"

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is published meanwhile, as a peer that may subscribe can."""
        channel = redis.Redis.from_url(self.project.broker_url).pubsub(ignore_subscribe_messages=True)
        channel.subscribe(self.channel)
        channel.get_message(timeout=1.0)
        yield
        while message := channel.get_message(timeout=0.5):
            self.recorded.append(message["data"])
        channel.close()

    @contextmanager
    def replayed(self, rate: float, seconds: float) -> Iterator[None]:
        command = [sys.executable, "-m", "tests.support.replay", self.project.broker_url, self.channel]
        with subprocess.Popen(
            [*command, str(rate), str(seconds)],
            cwd=REPOSITORY,
            env=self.project.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b"\n".join(map(base64.b64encode, self.recorded)))
            process.stdin.close()
            try:
                yield
            finally:
                process.kill()

    @contextmanager
    def living(self, **fields: Any) -> Iterator[None]:
        """A worker that reports every second until the block ends, and then is dead."""
        publisher, is_over = self.publisher(), threading.Event()

        def report() -> None:
            for seq in count(fields.pop("first", 1)):
                publisher.publish(encode(a_gossip(hostname=LIVING, seq=seq, **fields)))
                if is_over.wait(1.0):
                    break
            publisher.close()

        thread = threading.Thread(target=report)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def stage_on(broker: brokers.PrivateBroker, secret: str | None) -> Stage:
    project = Project(broker.url)
    return Stage(project, GossipOptions(exchange=str(project.conf["gossip_exchange"]), secret=secret))


@pytest.fixture
def stage() -> Iterator[Stage]:
    with brokers.running(brokers.private("redis")) as broker:
        yield stage_on(broker, SECRET)


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def open_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Where nobody signs."""
    if request.param == "rabbitmq":
        yield stage_on(request.getfixturevalue("private_rabbitmq"), None)
    else:
        with brokers.running(brokers.private("redis")) as broker:
            yield stage_on(broker, None)


def state_of(listener: Listener, hostname: str = LIVING) -> str:
    return next((one.state for one in listener.view().workers if one.gossip.hostname == hostname), "")


def assert_state(listener: Listener, *states: str) -> None:
    assert state_of(listener) in states


def states_over(listener: Listener, seconds: float) -> set[str]:
    """What does not happen can only be seen over time."""
    states, until = set(), time.monotonic() + seconds
    while time.monotonic() < until:
        states.add(state_of(listener))
        time.sleep(0.1)
    return states


def test_a_replayed_message_does_not_make_its_living_worker_look_lost(stage: Stage, figures: Figures) -> None:
    publisher = stage.publisher()
    with stage.recording():
        publisher.publish(encode(a_gossip(hostname=LIVING)))
    publisher.close()
    assert len(stage.recorded) == 1
    with Listener(stage.app, stage.options) as listener, stage.living(first=2):
        eventually(lambda: assert_state(listener, "online"))
        with stage.replayed(RATE, SECONDS):
            states = states_over(listener, SECONDS)
        case = f"{RATE:,.0f} messages per second"
        figures.note("replay", case, "states of the live worker", ", ".join(sorted(states)))
        assert states == {"online"}
        assert listener.rejected["throttled"] > 0


def test_eight_recorded_boots_do_not_keep_a_living_worker_out(stage: Stage, figures: Figures) -> None:
    publisher = stage.publisher()
    with stage.recording():
        for seq in range(1, 13):
            for boot in range(8):
                publisher.publish(encode(a_gossip(hostname=LIVING, boot=f"{boot:016x}", seq=seq)))
    publisher.close()
    assert len(stage.recorded) == 96
    with Listener(stage.app, stage.options) as listener, stage.replayed(8.0, 12.0):
        eventually(lambda: assert_boots(listener, *(f"{boot:016x}" for boot in range(8))))
        began = time.monotonic()
        with stage.living(boot="f" * 16):
            eventually(lambda: assert_boots(listener, "f" * 16), timeout=5)
            figures.note(
                "boots", "8 recorded ones", "seconds until the live one is in the view", time.monotonic() - began
            )


def assert_boots(listener: Listener, *boots: str) -> None:
    known = {gossip.boot for worker in listener.view().workers for gossip in worker.gossips}
    assert known.issuperset(boots)


def test_a_crowd_that_names_queues_without_end_does_not_hide_a_dead_worker(open_stage: Stage, figures: Figures) -> None:
    stage = open_stage
    with Listener(stage.app, stage.options) as listener:
        publisher = stage.publisher()
        with stage.living():
            eventually(lambda: assert_state(listener, "online"))
            seqs = count(1)

            def is_seen() -> None:
                """RabbitMQ drops what waits for longer than 3 s, as on a busy machine: it is sent again."""
                report_crowd(listener, publisher, next(seqs))
                eventually(lambda: assert_workers(listener, CROWD + 1), timeout=10)

            eventually(is_seen, timeout=60)
            publisher.close()
            view = listener.view()
            assert len(view.queues) <= 10_000
            assert "default" in {queue.queue for queue in view.queues}, "the queue of the real worker is left out"
        died_at = time.monotonic()
        eventually(lambda: assert_state(listener, "lost"), timeout=20)
        most = 12.0 if SCALE.is_full else 20.0
        case = f"{stage.broker}, {CROWD} messages"
        figures.check("crowd", case, "seconds until lost", time.monotonic() - died_at, most=most)


def report_crowd(listener: Listener, publisher: Publisher, seq: int) -> None:
    """Publish one report for each host of the crowd that the listener does not know."""
    for host in range(CROWD):
        hostname = f"celery@crowd{host}"
        if not listener.cluster.has_worker(hostname):
            checks = tuple(a_check(f"queue-{host:03d}-{n:03d}") for n in range(390))
            publisher.publish(encode(a_gossip(hostname=hostname, seq=seq, interval=86_400.0, checks=checks)))


def assert_workers(listener: Listener, number: int) -> None:
    assert len(listener.view().workers) == number
