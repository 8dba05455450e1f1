"""What goes wrong around a worker must not reach its tasks: brokers that die, hang or block, forks, failing code."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from celery_gossip import Listener, signals
from tests.support import brokers, eventually
from tests.support.workers import Project, Worker

RESTARTS = int(os.environ.get("GOSSIP_TEST_RESTARTS", "20"))
RABBITMQ_RESTARTS = int(os.environ.get("GOSSIP_TEST_RABBITMQ_RESTARTS", "2"))
IDLE_STOP = 4.5  # seconds that an idle worker takes to stop without us: gevent, on this machine, at most
FORKS = int(os.environ.get("GOSSIP_TEST_FORKS", "500"))


@pytest.fixture
def private_broker(request: pytest.FixtureRequest) -> Iterator[brokers.PrivateBroker]:
    with brokers.running(brokers.private(request.param)) as broker:
        yield broker


class Ear:
    """Hears a project's gossip in the test's process, with the time of each."""

    def __init__(self, project: Project) -> None:
        self.app = project.app()
        self.heard: deque[tuple[float, Any]] = deque(maxlen=1000)
        self.listener = Listener(self.app)

    def _hear(self, sender: Any, gossip: Any) -> None:
        self.heard.append((time.monotonic(), gossip))

    def __enter__(self) -> "Ear":
        signals.gossip_received.connect(self._hear, sender=self.app)
        self.listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        signals.gossip_received.disconnect(self._hear, sender=self.app)

    def since(self, moment: float) -> list[Any]:
        return [gossip for at, gossip in list(self.heard) if at > moment]

    def wait(self, moment: float, timeout: float, condition: Callable[[Any], bool] = lambda gossip: True) -> float:
        """Seconds after `moment` at which the first such gossip was heard."""

        def is_heard() -> float:
            times = [at for at, gossip in list(self.heard) if at > moment and condition(gossip)]
            assert times, f"nothing such was heard within {timeout} s"
            return times[0] - moment

        return eventually(is_heard, timeout)


def restart_and_hear(broker: brokers.PrivateBroker, ear: Ear) -> None:
    broker.kill()
    broker.start()
    returned_at = time.monotonic()
    ear.wait(returned_at, timeout=5.0, condition=lambda gossip: gossip.state == "online" and gossip.stalled_for == 0)


def assert_one_gossip_per_interval(ear: Ear, interval: float, rounds: int = 10) -> None:
    began = time.monotonic()
    time.sleep(interval * rounds)  # a rate can only be seen over time
    heard = ear.since(began)
    assert rounds * 0.7 <= len(heard) <= rounds * 1.3, f"{len(heard)} gossips in {rounds} intervals"
    assert all(gossip.stalled_for == 0 for gossip in heard)


# py-amqp forgets the socket of a handshake that RabbitMQ breaks off while it starts; the next collection closes it.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("private_broker", "pool", "restarts"),
    [
        pytest.param("redis", "prefork", RESTARTS, marks=pytest.mark.redis),
        pytest.param("redis", "gevent", RESTARTS, marks=pytest.mark.redis),
        pytest.param("rabbitmq", "prefork", RABBITMQ_RESTARTS, marks=pytest.mark.rabbitmq),
        pytest.param("rabbitmq", "gevent", RABBITMQ_RESTARTS, marks=pytest.mark.rabbitmq),
    ],
    indirect=["private_broker"],
)
def test_after_many_broker_restarts_there_is_one_timer_one_thread_and_one_gossip_per_interval(
    private_broker: brokers.PrivateBroker, pool: str, restarts: int
) -> None:
    project = Project(private_broker.url)
    plain = ("--without-mingle", "--without-queue-gossip")
    with (
        project.worker("--without-mingle", pool=pool) as worker,
        project.worker(*plain, pool=pool, name="plain") as reference,
        Ear(project) as ear,
    ):
        ear.wait(0.0, timeout=10)
        restart_and_hear(private_broker, ear)
        settled = _descriptors_more_than(worker, reference, project)
        for _ in range(restarts - 1):
            restart_and_hear(private_broker, ear)
        assert_one_gossip_per_interval(ear, interval=0.5)
        # Celery itself leaves two descriptors behind at each reconnect to Redis: what counts is what we add to that.
        more_reconnects = max(0, _reconnects(worker) - _reconnects(reference))
        assert _descriptors_more_than(worker, reference, project) <= settled + 2 + 2 * more_reconnects
        assert worker.threads == reference.threads + (1 if pool == "prefork" else 0)
        assert worker.stop() == 0
        assert "Traceback" not in _ours(worker)


def _reconnects(worker: Worker) -> int:
    return worker.output.count("Connected to")


def _descriptors_more_than(worker: Worker, reference: Worker, project: Project) -> int:
    for process in (worker, reference):
        eventually(partial(project.inspect, "ping", process.node), timeout=30)
    time.sleep(1.0)  # sockets of the last connection are closed by now
    return worker.descriptors - reference.descriptors


def _ours(worker: Worker) -> str:
    """What the worker wrote from our first line on its own behalf: lines that name this package."""
    return "\n".join(line for line in worker.output.splitlines() if "celery-gossip" in line or "celery_gossip" in line)


def run_tasks(project: Project, count: int, timeout: float) -> None:
    """Send no-op tasks and wait until the one worker has accepted them all."""
    before = processed(project)
    app = project.app()
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)

    def all_done() -> None:
        assert processed(project) >= before + count

    eventually(all_done, timeout, every=0.5)


def processed(project: Project) -> int:
    total = project.inspect("stats", f"w1@{project.prefix}")["total"]
    return int(sum(total.values()))


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
@pytest.mark.parametrize("fault", ["refused", "frozen"])
@pytest.mark.parametrize(
    "private_broker",
    [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)],
    indirect=True,
)
def test_a_gossip_broker_that_refuses_or_hangs_delays_neither_tasks_nor_shutdown(
    private_broker: brokers.PrivateBroker, fault: str, pool: str
) -> None:
    project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=private_broker.url)
    try:
        with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
            ear.wait(0.0, timeout=10)
            private_broker.kill() if fault == "refused" else private_broker.freeze()
            run_tasks(project, 500, timeout=20)
            began = time.monotonic()
            assert worker.stop() == 0
            assert time.monotonic() - began < IDLE_STOP + 2.0
            assert "Traceback" not in _ours(worker)
    finally:
        if fault == "frozen":
            private_broker.thaw()
        project.clean()


@pytest.mark.slow
@pytest.mark.rabbitmq
@pytest.mark.parametrize("private_broker", ["rabbitmq"], indirect=True)
def test_a_memory_alarm_of_rabbitmq_holds_gossip_back_and_nothing_else(
    private_broker: brokers.PrivateRabbitMQ,
) -> None:
    project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=private_broker.url)
    try:
        with project.worker("--without-mingle") as worker, Ear(project) as ear:
            ear.wait(0.0, timeout=10)
            private_broker.control("set_vm_memory_high_watermark", "0.00001")
            eventually(lambda: _assert_in("has blocked publishers", worker.output), timeout=15)
            run_tasks(project, 500, timeout=20)
            private_broker.control("set_vm_memory_high_watermark", "0.4")
            ear.wait(time.monotonic(), timeout=5)
            private_broker.control("set_vm_memory_high_watermark", "0.00001")
            began = time.monotonic()
            assert worker.stop() == 0
            assert time.monotonic() - began < IDLE_STOP + 2.0
    finally:
        project.clean()


def _assert_in(part: str, text: str) -> None:
    assert part in text


@pytest.mark.parametrize(
    "sabotage",
    [
        "receivers:ValueError",
        "receivers:OSError",
        "receivers:KeyError",
        "probe:AssertionError",
        "probe:MemoryError",
        "check:TimeoutError",
        "publish:ConnectionError",
        "publish:RecursionError",
        "encode:UnicodeError",
    ],
)
def test_whatever_is_raised_within_the_worker_goes_on_and_exits_0(redis_project: Project, sabotage: str) -> None:
    redis_project.install = {"interval": 0.1}
    redis_project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.saboteur",
        "GOSSIP_TEST_SABOTAGE": sabotage,
    }
    with redis_project.worker("--without-mingle", pool="threads") as worker:
        eventually(lambda: _assert_in("sabotage", worker.output), timeout=10)
        run_tasks(redis_project, 50, timeout=20)
        assert worker.stop() == 0
        assert worker.output.count("Connected to") == 1, "the consumer was torn down"


@pytest.mark.slow
@pytest.mark.redis
def test_no_child_hangs_that_was_forked_while_rounds_ran(redis_project: Project) -> None:
    redis_project.install = {"interval": 0.005}
    with redis_project.worker("--without-mingle", "--max-tasks-per-child", "1", concurrency=4) as worker:
        app = redis_project.app()
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            for number in range(FORKS):
                shout = app.signature("tests.support.project.shout", args=[f"shout {number}."])
                shout.apply_async(queue=redis_project.queues[0], producer=producer)
        eventually(lambda: _assert_shouted(worker), timeout=110, every=0.5)
        assert worker.stop() == 0


def _assert_shouted(worker: Worker) -> None:
    output = worker.output
    missing = [number for number in range(FORKS) if f"shout {number}." not in output]
    assert not missing, f"{len(missing)} of {FORKS} children did not write, the first {missing[0]}"
