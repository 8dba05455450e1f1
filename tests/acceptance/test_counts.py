"""Ground truth: what a listener counts is what the tasks themselves recorded, exactly, whatever pool, broker and flags.

GOSSIP_TEST_TASKS is how many tasks each case sends; 20,000 is the full measure.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery.signals import before_task_publish

import celery_gossip
from celery_gossip import Listener
from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.histogram import RELATIVE_ERROR
from celery_gossip.wire.messages import Gossip, decode
from celery_gossip.wire.signing import Delivery
from tests.support import brokers, eventually
from tests.support.workers import QUIET, Project, Worker

TASKS = int(os.environ.get("GOSSIP_TEST_TASKS", "300"))
MOST_SECONDS = 0.03  # that a task takes
QUANTILES = (0.0, 0.5, 0.75, 0.95, 0.99, 1.0)
PLAN = ("succeed",) * 6 + ("fail_once", "fail_otherwise", "fail_late", "retry", "reject")
RUNS = {"retry": 2}

TASK = "tests.support.fates.{}"

Counts = Counter[tuple[str, str, str]]  # task, queue, fate

pytestmark = [
    pytest.mark.timeout(1200),
    # py-amqp forgets the socket of a handshake that a broker breaks off while it starts.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def stamping_ends() -> Iterator[None]:
    """install() stamps what this process sends until it ends: here until the test does."""
    yield
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")


@dataclass
class Scene:
    """A project whose tasks record, a listener that was there before them, and what was sent."""

    project: Project
    listener: Listener
    record: Path
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)  # (task, queue)
    runs: int = 0  # that are to be recorded

    def send(self, count: int, *, seed: int = 0) -> None:
        """So many tasks of all fates to both queues."""
        chance = random.Random(seed)
        with self._producer() as send:
            for _ in range(count):
                task, seconds = chance.choice(PLAN), MOST_SECONDS * chance.random() ** 2
                send(task, seconds, queue=chance.choice("ab"))
                self.runs += RUNS.get(task, 1)

    def send_one(self, task: str, *args: Any, queue: str = "a", **options: Any) -> str:
        with self._producer() as send:
            return send(task, *args, queue=queue, **options)

    @property
    def lines(self) -> list[list[str]]:
        return _lines(self.record)

    @property
    def recorded(self) -> Counts:
        return Counter((task, queue, fate) for task, queue, fate, *_ in self.lines if fate != "lingers")

    @property
    def told(self) -> Counts:
        """Every end that was told."""
        told: Counts = Counter()
        for (queue, task), total in self.listener.cluster.statistics.fleet_totals().items():
            for fate in ("succeeded", "retried", "revoked", "rejected"):
                told[task, queue, fate] = getattr(total, fate)
            for kind, count in total.failures.items():
                told[task, queue, f"failed:{kind}"] = count
        return +told

    def begun(self, count: str) -> Counter[tuple[str, str]]:
        """`received` or `started`, by task and queue."""
        totals = self.listener.cluster.statistics.fleet_totals().items()
        return +Counter({(task, queue): getattr(total, count) for (queue, task), total in totals})

    def distribution(self, name: str) -> Distribution:
        """`runtime` or `wait`, of all tasks."""
        totals: list[Throughput] = list(self.listener.cluster.statistics.fleet_totals().values())
        buckets: Counter[int] = Counter()
        for total in totals:
            buckets.update(getattr(total, name).buckets)
        return Distribution(sum(buckets.values()), sum(getattr(total, name).total for total in totals), buckets)

    def assert_all_recorded(self) -> None:
        assert len(self.lines) == self.runs

    def assert_exact(self) -> None:
        assert self.told == self.recorded

    @contextmanager
    def _producer(self) -> Iterator[Callable[..., str]]:
        with self.project.app() as app, app.connection_for_write() as connection:
            celery_gossip.install(app)
            with app.amqp.Producer(connection) as producer:

                def send(task: str, *args: Any, queue: str, **options: Any) -> str:
                    name, queue = f"tests.support.fates.{task}", f"{self.project.prefix}_{queue}"
                    self.sent[name, queue] += RUNS.get(task, 1)
                    return str(app.send_task(name, args=args, queue=queue, producer=producer, **options).id)

                yield send


@contextmanager
def scene(project: Project, tmp_path: Path, listener: type[Listener] = Listener) -> Iterator[Scene]:
    record = tmp_path / "record"
    project.extra_environment |= {"GOSSIP_TEST_IMPORT": "tests.support.fates", "GOSSIP_TEST_RECORD": str(record)}
    with project.app() as app, listener(app) as listening:
        eventually(lambda: _assert_connected(listening))
        yield Scene(project, listening, record)


@contextmanager
def fleet(project: Project, *flags: str, pool: str = "prefork") -> Iterator[list[Worker]]:
    """Three workers of both queues, one of another app; they start side by side."""
    with ExitStack() as stack:
        workers = []
        for name in ("w1", "w2", "w3"):
            if name == "w3":
                project.extra_environment["GOSSIP_TEST_NAME"] = f"{project.prefix}_other"
            workers.append(started(project, name, *flags, pool=pool))
            stack.callback(workers[-1].close)
        del project.extra_environment["GOSSIP_TEST_NAME"]
        for worker in workers:
            worker.await_ready(timeout=60)
        yield workers


def started(project: Project, name: str, *flags: str, pool: str = "prefork") -> Worker:
    arguments = ["-P", pool, "-c", "1" if pool == "solo" else "2", *(flags or ("--without-mingle",))]
    return Worker(project, f"{name}@{project.prefix}", arguments)


def assert_truth_is_told(scene: Scene) -> None:
    """Every count, now and a while later, and the figures of the pools."""
    eventually(scene.assert_all_recorded, timeout=60 + TASKS / 20, every=0.2)
    eventually(scene.assert_exact, timeout=15, every=0.2)
    time.sleep(1.5)  # three gossips each: nothing is counted twice
    scene.assert_exact()
    assert scene.begun("started") == scene.sent
    assert_figures_are_told(scene)


def assert_figures_are_told(scene: Scene) -> None:
    """Those of the pools within the stated error; those of the tasks, which lie a little within, from below.

    A pool measures a task from its acceptance to its result, the task its own body alone, so each of the pool's figures
    is the larger one, and so are its quantiles. By how much depends on the machine, not on us. Of a task that does not
    succeed Celery's pools measure nothing, so its end is when the worker's main process hears of it. That moment is
    known from readings of the clocks before and after ours.
    """
    truth: dict[str, list[tuple[float, float]]] = {"wait": [], "runtime": []}
    for name, least, most in _lines(Path(f"{scene.record}.pool")):
        truth[name].append((float(least), float(most)))
    by_themselves = {"wait": 3, "runtime": 4}
    for name, measured in truth.items():
        told = scene.distribution(name)
        least, most = (sorted(values) for values in zip(*measured, strict=True))
        assert told.count == len(measured)
        assert sum(least) - 1e-3 <= told.total <= sum(most) + 1e-3, name
        own = sorted(float(line[by_themselves[name]]) for line in scene.lines)
        for q in QUANTILES:
            at, shown = int(q * (len(measured) - 1)), told.quantile(q)
            assert shown is not None
            assert least[at] * (1 - RELATIVE_ERROR) - 1e-6 <= shown <= most[at] * (1 + RELATIVE_ERROR) + 1e-6, (name, q)
            if name == "runtime":
                assert shown >= own[at] * (1 - RELATIVE_ERROR) - 1e-3, (name, q)


def _lines(file: Path) -> list[list[str]]:
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def _assert_connected(listener: Listener) -> None:
    assert listener.connected_at is not None


# Pools and brokers.


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet", "solo"])
def test_every_end_is_told_exactly_by_queue_fate_and_exception(project: Project, tmp_path: Path, pool: str) -> None:
    # On RabbitMQ three green workers of Celery run about 30 tasks a second, with our step or without.
    is_slow = pool in ("gevent", "eventlet") and project.broker_url.startswith("amqp:")
    with scene(project, tmp_path) as truth, fleet(project, pool=pool):
        truth.send(TASKS // 4 if is_slow else TASKS)
        assert_truth_is_told(truth)
        assert truth.begun("received") == truth.sent
        assert {gossip.pool for gossip in gossips(truth)} == {pool}


def gossips(truth: Scene) -> list[Gossip]:
    return [worker.gossip for worker in truth.listener.cluster.workers()]


@pytest.mark.redis
@pytest.mark.parametrize("flags", [("-E",), QUIET], ids=" ".join)
def test_with_events_or_without_the_same_is_told(
    redis_project: Project, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with scene(redis_project, tmp_path) as truth, fleet(redis_project, *flags, pool="threads"):
        truth.send(TASKS)
        assert_truth_is_told(truth)
        assert truth.begun("received") == truth.sent


@pytest.mark.redis
def test_a_request_class_of_the_users_own_changes_nothing(redis_project: Project, tmp_path: Path) -> None:
    redis_project.extra_environment["GOSSIP_TEST_REQUEST"] = "1"
    with scene(redis_project, tmp_path) as truth, fleet(redis_project):
        truth.send(TASKS)
        assert_truth_is_told(truth)
        assert Path(f"{truth.record}.own").read_text().count("task-started 1\n") == truth.runs


# What is lost on the way.


class Forgetful(Listener):
    """Loses every third gossip of each worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.heard: Counter[str] = Counter()
        self.lost = 0
        super().__init__(*args, **kwargs)

    def _prepare(self) -> None:
        super()._prepare()
        handle = self._handler.handle

        def handle_two_of_three(received: Delivery | RejectedGossip, now: float) -> None:
            message = decode(received.body) if isinstance(received, Delivery) else None
            if isinstance(message, Gossip):
                self.heard[message.hostname] += 1
                if self.heard[message.hostname] % 3 == 0:
                    self.lost += 1
                    return
            handle(received, now)

        self._handler.handle = handle_two_of_three  # type: ignore[method-assign]


def test_every_third_gossip_may_be_lost(project: Project, tmp_path: Path) -> None:
    with scene(project, tmp_path, listener=Forgetful) as truth, fleet(project):
        truth.send(TASKS)
        assert_truth_is_told(truth)
        assert truth.begun("received") == truth.sent
        assert isinstance(truth.listener, Forgetful) and truth.listener.lost >= 3


def test_a_worker_that_is_restarted_half_way_has_told_all_it_did(project: Project, tmp_path: Path) -> None:
    # Not prefork: on RabbitMQ a busy one does not come to its end now and then, with our step or without.
    with scene(project, tmp_path, listener=Forgetful) as truth, fleet(project, pool="threads") as workers:
        truth.send(max(TASKS, 200))
        eventually(lambda: _assert_more_than(len(truth.lines), truth.runs // 2), timeout=60 + TASKS / 20)
        assert workers[1].stop() == 0
        again = started(project, "w2", pool="threads")
        try:
            again.await_ready()
            truth.send(100, seed=1)
            assert_truth_is_told(truth)
            boots = {gossip.boot for gossip in gossips(truth)}
        finally:
            again.close()
        assert len(boots) == 3
        assert truth.begun("received") >= truth.sent, "what it had not begun, others received again"


def _assert_more_than(count: int, least: int) -> None:
    assert count > least


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_what_ends_while_the_broker_is_away_is_told_when_it_is_back(kind: str, tmp_path: Path) -> None:
    with brokers.running(brokers.private(kind)) as broker:
        project = Project(broker.url)
        with scene(project, tmp_path) as truth, fleet(project):
            truth.send(TASKS)
            assert_truth_is_told(truth)
            for n in range(6):
                truth.send_one("succeed" if n % 2 else "fail_once", 3.0, queue="ab"[n % 2])
            truth.runs += 6
            eventually(lambda: _assert_equal(truth.begun("started"), truth.sent), timeout=15)
            broker.kill()
            eventually(truth.assert_all_recorded, timeout=15)
            broker.start()
            eventually(truth.assert_exact, timeout=60, every=0.2)
            truth.send(50, seed=1)
            assert_truth_is_told(truth)
            assert truth.begun("received") == truth.sent


def _assert_equal(found: object, expected: object) -> None:
    assert found == expected


# Ends that a task cannot record.


def test_revoked_tasks_are_told_as_such(project: Project, tmp_path: Path) -> None:
    with scene(project, tmp_path) as truth, fleet(project):
        with project.app() as app, app.connection_for_write() as connection:
            app.control.revoke(["to-be-revoked"], connection=connection)
        eventually(lambda: _assert_all_know_of_it(project))
        truth.send_one("succeed", 0.0, task_id="to-be-revoked", queue="b")
        truth.send_one("succeed", 0.0, expires=-10.0)
        truth.send(20)
        expected = Counter({(TASK.format("succeed"), queue, "revoked"): 1 for queue in project.queues})
        eventually(lambda: _assert_equal(truth.told, truth.recorded + expected), timeout=20)
        assert truth.begun("received") == truth.sent
        assert sum(truth.begun("started").values()) == sum(truth.sent.values()) - 2


def _assert_all_know_of_it(project: Project) -> None:
    for name in ("w1", "w2", "w3"):
        assert "to-be-revoked" in project.inspect("revoked", f"{name}@{project.prefix}")


@pytest.mark.redis
def test_a_running_task_that_is_terminated_is_revoked_once(redis_project: Project, tmp_path: Path) -> None:
    with scene(redis_project, tmp_path) as truth, fleet(redis_project):
        task_id = truth.send_one("linger", 60)
        eventually(lambda: _assert_more_than(len(truth.lines), 0))
        with redis_project.app() as app, app.connection_for_write() as connection:
            app.control.revoke(task_id, terminate=True, signal="SIGKILL", connection=connection)
        assert_one_end(truth, "revoked")


@pytest.mark.redis
@pytest.mark.slow
def test_a_child_that_is_killed_fails_its_task_once(redis_project: Project, tmp_path: Path) -> None:
    with scene(redis_project, tmp_path) as truth, fleet(redis_project):
        truth.send_one("linger", 60)
        eventually(lambda: _assert_more_than(len(truth.lines), 0))
        os.kill(int(truth.lines[0][1]), signal.SIGKILL)
        assert_one_end(truth, "failed:WorkerLostError", has_runtime=False)


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_hard_time_limit_fails_a_task_once(redis_project: Project, tmp_path: Path, pool: str) -> None:
    with scene(redis_project, tmp_path) as truth, fleet(redis_project, pool=pool):
        truth.send_one("linger", 60, time_limit=1)
        assert_one_end(truth, "failed:TimeLimitExceeded")


def assert_one_end(truth: Scene, fate: str, *, has_runtime: bool = True) -> None:
    """Of the one task that lingers, and of those that come after it.

    How long a task ran whose process was killed is not known: the worker notices later.
    """
    lingered: Counts = Counter({(TASK.format("linger"), truth.project.queues[0], fate): 1})
    eventually(lambda: _assert_equal(truth.told, lingered), timeout=30)
    ran = truth.distribution("runtime")
    assert ran.count == has_runtime and (not has_runtime or (ran.max is not None and 0 < ran.max < 30))
    truth.send(20)
    eventually(lambda: _assert_equal(len(truth.lines), truth.runs + 1), timeout=30)
    eventually(lambda: _assert_equal(truth.told, truth.recorded + lingered), timeout=15)
    assert truth.begun("received") == truth.begun("started") == truth.sent


# Queues that come later.


@pytest.mark.redis
def test_a_queue_that_is_added_is_known_by_its_first_task(redis_project: Project, tmp_path: Path) -> None:
    added = f"{redis_project.prefix}_c"
    redis_project.install = {"interval": 3.0}
    with scene(redis_project, tmp_path) as truth, fleet(redis_project) as workers:
        for worker in workers:
            redis_project.control("add_consumer", worker.node, queue=added, exchange="", routing_key=added)
        for _ in range(5):
            truth.send_one("succeed", 0.0, queue="c")
        truth.runs += 5
        eventually(truth.assert_all_recorded)
        eventually(partial(_assert_told, truth, added, 5), timeout=15)
        truth.assert_exact()


def _assert_told(truth: Scene, queue: str, count: int) -> None:
    assert truth.told == {(TASK.format("succeed"), queue, "succeeded"): count}
