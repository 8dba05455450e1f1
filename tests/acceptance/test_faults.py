"""What goes wrong around a worker must not reach its tasks: brokers that die, hang or block."""

import gc
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest

from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.workers import Project, Worker

RESTARTS = int(os.environ.get("GOSSIP_TEST_RESTARTS", "20"))
RABBITMQ_RESTARTS = int(os.environ.get("GOSSIP_TEST_RABBITMQ_RESTARTS", "2"))
IDLE_STOP = 4.5  # seconds that an idle worker takes to stop without us: gevent, on two cores, at most


@pytest.fixture
def private_broker(request: pytest.FixtureRequest) -> Iterator[brokers.PrivateBroker]:
    with brokers.running(brokers.private(request.param)) as broker:
        yield broker


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test leaves to the garbage collector is collected before the next begins."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def private_rabbitmq() -> Iterator[brokers.PrivateBroker]:
    """Shared by the tests that leave it as they found it: it takes ten seconds to start."""
    with brokers.running(brokers.private("rabbitmq")) as broker:
        yield broker


# py-amqp forgets the socket of a handshake that RabbitMQ breaks off while it starts; the next collection closes it.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("private_broker", "restarts"),
    [
        pytest.param("redis", RESTARTS, marks=pytest.mark.redis),
        pytest.param("rabbitmq", RABBITMQ_RESTARTS, marks=pytest.mark.rabbitmq),
    ],
    indirect=["private_broker"],
)
class TestManyRestarts:
    """Of the worker's own broker, and of one that only the gossip uses: there every descriptor is ours."""

    def test_of_the_broker_leave_one_timer_one_thread_and_one_gossip_per_interval(
        self, private_broker: brokers.PrivateBroker, restarts: int
    ) -> None:
        project = Project(private_broker.url)
        with both_kinds_of_pool(project) as workers, Ear(project) as ear:
            restart(private_broker, workers, ear)
            threads = [worker.threads for worker in workers]
            for _ in range(restarts - 1):
                restart(private_broker, workers, ear)
            assert_one_gossip_per_interval(ear, workers, interval=0.5)
            assert all(worker.threads <= most for worker, most in zip(workers, threads, strict=True))
            for worker in workers:
                assert worker.stop() == 0
                assert "Traceback" not in _ours(worker)

    def test_of_a_broker_of_its_own_leave_no_descriptor_behind(
        self, private_broker: brokers.PrivateBroker, restarts: int
    ) -> None:
        project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=private_broker.url)
        try:
            with both_kinds_of_pool(project) as workers, Ear(project) as ear:
                connected = [reconnects(worker) for worker in workers]
                restart(private_broker, workers, ear)
                descriptors = [worker.descriptors for worker in workers]
                for _ in range(restarts - 1):
                    restart(private_broker, workers, ear)
                assert_one_gossip_per_interval(ear, workers, interval=0.5)
                assert [worker.descriptors for worker in workers] == descriptors
                assert [reconnects(worker) for worker in workers] == connected, "a worker reconnected because of us"
        finally:
            project.clean()


@contextmanager
def both_kinds_of_pool(project: Project) -> Iterator[list[Worker]]:
    """A worker with an event loop and real threads, and one with neither."""
    flag = "--without-mingle"
    with project.worker(flag) as prefork, project.worker(flag, pool="gevent", name="w2") as gevent:
        yield [prefork, gevent]


def restart(broker: brokers.PrivateBroker, workers: list[Worker], ear: Ear) -> None:
    """Kill and start it; within 5 s every worker is heard, and later its event loop is back too."""
    broker.kill()
    broker.start()
    returned_at = time.monotonic()
    for worker in workers:
        ear.wait(returned_at, 5.0, lambda gossip, node=worker.node: gossip.hostname == node)
        ear.wait(returned_at, 30.0, partial(is_online, worker))


def reconnects(worker: Worker) -> int:
    """Of the consumer: on gevent the pidbox has a connection of its own, and says so later."""
    return worker.output.count("] Connected to")


def is_online(worker: Worker, gossip: Any) -> bool:
    return bool(gossip.hostname == worker.node and gossip.state == "online" and gossip.stalled_for == 0)


def assert_one_gossip_per_interval(ear: Ear, workers: list[Worker], interval: float, rounds: int = 12) -> None:
    began = time.monotonic()
    time.sleep(interval * rounds)  # a rate can only be seen over time
    heard = ear.since(began)
    for worker in workers:
        count = len([gossip for gossip in heard if is_online(worker, gossip)])
        assert rounds * 0.7 <= count <= rounds * 1.3, f"{count} gossips of {worker.node} in {rounds} intervals"


def _ours(worker: Worker) -> str:
    """What the worker wrote that names this package."""
    return "\n".join(line for line in worker.output.splitlines() if "celery-gossip" in line or "celery_gossip" in line)


def run_tasks(project: Project, count: int, timeout: float) -> None:
    """Send no-op tasks and wait until the one worker has accepted them all."""
    before = processed(project)
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)

    def all_done() -> None:
        assert processed(project) >= before + count

    eventually(all_done, timeout, every=0.5)


def processed(project: Project) -> int:
    total = project.inspect("stats", f"w1@{project.prefix}")["total"]
    return int(sum(total.values()))


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
@pytest.mark.parametrize("scheme", ["redis://", "amqp://guest:guest@"])
def test_a_gossip_broker_that_refuses_delays_neither_tasks_nor_shutdown(scheme: str, pool: str) -> None:
    url = f"{scheme}127.0.0.1:{brokers.free_port()}//"
    project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=url)
    try:
        with project.worker("--without-mingle", pool=pool) as worker:
            eventually(lambda: _assert_in("cannot deliver to", worker.output), timeout=10)
            assert_tasks_and_shutdown_are_not_delayed(project, worker)
    finally:
        project.clean()


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_a_gossip_broker_that_hangs_delays_neither_tasks_nor_shutdown(
    kind: str, pool: str, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        if kind == "rabbitmq":
            broker = request.getfixturevalue("private_rabbitmq")
        else:
            broker = stack.enter_context(brokers.running(brokers.private("redis")))
        project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=broker.url)
        stack.callback(project.clean)
        with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
            ear.wait(0.0, timeout=10)
            stack.callback(broker.thaw)
            broker.freeze()
            assert_tasks_and_shutdown_are_not_delayed(project, worker)


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.rabbitmq
def test_a_memory_alarm_of_rabbitmq_holds_gossip_back_and_nothing_else(
    private_rabbitmq: brokers.PrivateRabbitMQ,
) -> None:
    project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=private_rabbitmq.url)
    try:
        with project.worker("--without-mingle") as worker, Ear(project) as ear:
            ear.wait(0.0, timeout=10)
            private_rabbitmq.control("set_vm_memory_high_watermark", "0.00001")
            eventually(lambda: _assert_in("has blocked publishers", worker.output), timeout=15)
            run_tasks(project, 300, timeout=30)
            private_rabbitmq.control("set_vm_memory_high_watermark", "0.4")
            ear.wait(time.monotonic(), timeout=5)
            private_rabbitmq.control("set_vm_memory_high_watermark", "0.00001")
            assert_tasks_and_shutdown_are_not_delayed(project, worker)
    finally:
        private_rabbitmq.control("set_vm_memory_high_watermark", "0.4")
        project.clean()


def assert_tasks_and_shutdown_are_not_delayed(project: Project, worker: Worker) -> None:
    run_tasks(project, 500, timeout=30)
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < IDLE_STOP + 2.0
    assert "Traceback" not in _ours(worker)


def _assert_in(part: str, text: str) -> None:
    assert part in text
