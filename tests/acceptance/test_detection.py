"""Who is gone is told in time, and nobody else is: workers that are killed, brokers that go, a listener cut off.

The targets are the product's own, at an interval of one second. The whole takes a while: GOSSIP_TEST_KILLS=20,
GOSSIP_TEST_OUTAGE=60, GOSSIP_TEST_STOP=20, GOSSIP_TEST_CROWD=20 and GOSSIP_TEST_BURN=300; `pytest -s` prints what was
measured.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median

import pytest

from celery_gossip.cluster.view import WorkerView
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.proxy import proxied
from tests.support.workers import REPOSITORY, Project, Worker

pytestmark = pytest.mark.serial

KILLS = int(os.environ.get("GOSSIP_TEST_KILLS", "3"))
OUTAGE = float(os.environ.get("GOSSIP_TEST_OUTAGE", "12"))  #: seconds
STOP = float(os.environ.get("GOSSIP_TEST_STOP", "6"))  #: seconds for which the listener's process is stopped
CROWD = int(os.environ.get("GOSSIP_TEST_CROWD", "6"))
BURN = float(os.environ.get("GOSSIP_TEST_BURN", "12"))  #: seconds

SUSPECT_WITHIN, LOST_WITHIN = 4.5, 11.0  #: seconds after kill -9
OFFLINE_WITHIN = 1.5  #: seconds after the exit of a clean stop
SEEN_WITHIN = 2.0  #: seconds after a worker is ready
ISOLATED_WITHIN, RIGHT_WITHIN = 3.5, 5.0  #: seconds after the fault, and after its end
ILL = {"suspect", "lost", "conflict", "offline"}
AFTERMATH = 8.0  #: seconds after the healing in which silence would show: the grace of 3 s, 3.5 intervals, and some

BROKERS = [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]


@contextlib.contextmanager
def project_at(gossip_broker_url: str, interval: float = 1.0) -> Iterator[Project]:
    """Workers with tasks in their own memory: nothing but their gossip needs the broker."""
    project = Project("memory://", gossip_broker_url=gossip_broker_url)
    project.install = {"interval": interval}
    try:
        yield project
    finally:
        project.clean()


def measured(what: str, values: list[float]) -> float:
    """The greatest."""
    print(f"\n{what}: min {min(values):.2f} median {median(values):.2f} max {max(values):.2f} s, n = {len(values)}")
    return max(values)


@pytest.mark.timeout(600)
def test_workers_are_seen_leave_and_are_missed_in_time(broker_url: str) -> None:
    with project_at(broker_url) as project, Ear(project) as ear, project.cheap_workers(KILLS + 2) as workers:
        seen = [ear.wait_for_state("online", 5, worker.node) - worker.ready_at for worker in workers]
        assert measured("a new worker is seen after", seen) < SEEN_WITHIN
        stays, leaves, *others = workers

        killed = [kill(worker) for worker in others]
        suspect = [ear.wait_for_state("suspect", 15, node) - at for node, at in killed]
        lost = [ear.wait_for_state("lost", 15, node) - at for node, at in killed]
        assert measured("a killed worker is suspect after", suspect) < SUSPECT_WITHIN
        assert measured("a killed worker is lost after", lost) < LOST_WITHIN

        assert leaves.stop() == 0
        exited_at = time.monotonic()
        offline = ear.wait_for_state("offline", 5, leaves.node) - exited_at
        assert measured("a worker that was stopped is offline after", [offline]) < OFFLINE_WITHIN

        assert [ear.states_of(node) for node, _ in killed] == [["online", "suspect", "lost"]] * len(killed)
        assert ear.states_of(stays.node) == ["online"]
        assert ear.states_of(leaves.node)[-1] == "offline" and not ILL & set(ear.states_of(leaves.node)[:-1])


def kill(worker: Worker) -> tuple[str, float]:
    """kill -9 at any moment of its interval; its name, and when."""
    time.sleep(random.uniform(0.3, 1.3))
    at = time.monotonic()
    worker.kill()
    return worker.node, at


# Outages.


@pytest.fixture
def private_broker(request: pytest.FixtureRequest) -> Iterator[brokers.PrivateBroker]:
    with brokers.running(brokers.private(request.param)) as broker:
        yield broker


# py-amqp forgets the socket of a handshake that RabbitMQ breaks off while it starts; the next collection closes it.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("private_broker", BROKERS, indirect=True)
def test_no_outage_makes_a_worker_lost_and_the_view_is_soon_right_again(private_broker: brokers.PrivateBroker) -> None:
    """Some workers have their tasks elsewhere; one has them on the broker that goes, and Celery itself must return."""
    with ExitStack() as stack:
        project = stack.enter_context(project_at(private_broker.url))
        workers = stack.enter_context(project.cheap_workers(3))
        near = Project(private_broker.url, gossip_exchange=project.conf["gossip_exchange"])
        near.install = {"interval": 1.0}
        workers.append(stack.enter_context(near.worker("--without-mingle", name="near")))
        proxy = stack.enter_context(proxied(private_broker.url))
        far = Project(proxy.url, gossip_exchange=project.conf["gossip_exchange"])
        ear, ear_beyond = stack.enter_context(Ear(project)), stack.enter_context(Ear(far))

        outage = Outages(workers, near_node=workers[-1].node)
        outage.check("broker stopped", [ear, ear_beyond], private_broker.kill, private_broker.start, OUTAGE)
        outage.check("broker restarted", [ear, ear_beyond], private_broker.kill, private_broker.start, 0.0)
        outage.check("broker frozen", [ear, ear_beyond], private_broker.freeze, private_broker.thaw, OUTAGE / 2)
        outage.check("listener cut off", [ear_beyond], proxy.cut, proxy.heal, OUTAGE / 2)
        outage.check("listener unplugged", [ear_beyond], proxy.swallow, proxy.heal, OUTAGE / 2)
        time.sleep(AFTERMATH)  # that nothing happens can only be seen over time
        for each in (ear, ear_beyond):
            assert [(entry.hostname, entry.state) for entry in each.entries if entry.state in ILL] == []


class Outages:
    """Makes a fault, ends it, and looks at what ears make of it."""

    def __init__(self, workers: list[Worker], near_node: str) -> None:
        self._nodes = {worker.node for worker in workers}
        self._near_node = near_node

    def check(
        self, what: str, ears: list[Ear], begin: Callable[[], None], end: Callable[[], None], seconds: float
    ) -> None:
        for ear in ears:
            eventually(lambda ear=ear: self._assert_right(ear, 0.0), timeout=40)
        began_at = time.monotonic()
        begin()
        if seconds:
            isolated = [eventually(lambda ear=ear: isolated_at(ear)) - began_at for ear in ears]
            assert measured(f"{what}: isolated after", isolated) < ISOLATED_WITHIN
            time.sleep(max(0.0, began_at + seconds - time.monotonic()))
        end()
        ended_at = time.monotonic()
        right = [eventually(lambda ear=ear: self._assert_right(ear, ended_at)) - ended_at for ear in ears]
        assert measured(f"{what}: right again after", right) < RIGHT_WITHIN

    def _assert_right(self, ear: Ear, moment: float) -> float:
        """Not isolated, and everybody heard since that moment. When."""
        view = ear.listener.view()
        assert view.isolated_since is None and {worker.gossip.hostname for worker in view.workers} == self._nodes
        late = [worker for worker in view.workers if worker.heard_at <= moment or not self._is_well(worker)]
        assert not late, [(worker.gossip.hostname, worker.state, worker.age) for worker in late]
        return time.monotonic()

    def _is_well(self, worker: WorkerView) -> bool:
        """Celery reconnects in its own time: until then that worker's event loop does not tick, in truth."""
        return worker.state == "online" or (worker.gossip.hostname == self._near_node and worker.state == "stalled")


def isolated_at(ear: Ear) -> float:
    since = ear.listener.cluster.isolated_since
    assert since is not None
    return since


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_listener_that_was_stopped_misses_who_was_killed_meanwhile_and_nobody_else(broker_url: str) -> None:
    with (
        project_at(broker_url, interval=0.3) as project,
        project.cheap_workers(3) as workers,
        listening(project) as (process, told),
    ):
        killed, *others = workers
        eventually(lambda: assert_told(told, [f"online {worker.node}" for worker in workers]))
        os.kill(process.pid, signal.SIGSTOP)
        killed.kill()
        time.sleep(STOP)
        os.kill(process.pid, signal.SIGCONT)
        woken_at = time.monotonic()
        eventually(lambda: assert_told(told, [f"suspect {killed.node}", f"lost {killed.node}"]), timeout=20)
        measured("killed while the listener was stopped: lost after", [time.monotonic() - woken_at])
        assert [line for line in told if line.split()[0] in ILL] == [f"suspect {killed.node}", f"lost {killed.node}"]
        assert "raised isolated" in told
        assert [line for line in told if line.endswith(others[0].node)] == [f"online {others[0].node}"]


@contextlib.contextmanager
def listening(project: Project) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A listener's process and what it has told so far, without the time."""
    told: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.listening"],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        reader = threading.Thread(target=lambda: collect(process, told))
        reader.start()
        try:
            yield process, told
        finally:
            process.kill()
            reader.join()


def collect(process: "subprocess.Popen[str]", told: list[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        told.append(line.split(maxsplit=1)[1].strip())


def assert_told(told: list[str], expected: list[str]) -> None:
    assert set(expected) <= set(told), told


# A machine that has better things to do.


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.timeout(1200)
def test_while_half_the_cores_burn_nobody_is_lost_and_hardly_anybody_suspect() -> None:
    url = brokers.require(brokers.REDIS_URL)
    with project_at(url) as project, project.cheap_workers(CROWD) as workers, Ear(project) as ear:
        ear.listener.wait(workers=len(workers), timeout=10)
        with burning((os.cpu_count() or 2) // 2):
            time.sleep(BURN)  # a rate can only be seen over time
        states = [entry.state for entry in ear.entries]
        print(f"\n{len(workers)} workers, {BURN:.0f} s: {states.count('suspect')} suspect, {states.count('lost')} lost")
        assert states.count("lost") == 0
        assert states.count("suspect") <= len(workers) * BURN / 3600.0
        assert {worker.state for worker in ear.listener.cluster.workers()} == {"online"}


@contextlib.contextmanager
def burning(cores: int) -> Iterator[None]:
    """Processes that keep so many cores busy."""
    with ExitStack() as stack:
        for _ in range(cores):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield
