"""A broker is killed and started again and again: of the worker's own, and of one that only the gossip uses."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
from kombu import Connection

from tests.faults.crew import Crew, all_online, crew, gossip_rates, heard_again, reconnects, tracebacks_of_ours
from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.workers import Project, Worker

INTERVAL = 0.5  #: seconds
ROUNDS = 120 if SCALE.is_full else 16  #: over which a rate is taken
BACK_WITHIN = 15.0  #: seconds, for each worker to be heard by a listener that is cut off too; how soon it was is noted
RECONNECTED_WITHIN = 40.0  #: seconds, for Celery's own consumer
NAMES = {"redis": "Redis", "rabbitmq": "RabbitMQ"}

# py-amqp forgets the socket of a handshake that RabbitMQ breaks off while it starts; the next collection closes it.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.parametrize(
        ("kind", "restarts"),
        [
            pytest.param("redis", SCALE.restarts, marks=pytest.mark.redis),
            pytest.param("rabbitmq", SCALE.rabbitmq_restarts, marks=pytest.mark.rabbitmq),
        ],
    ),
]


@pytest.fixture
def broker(kind: str) -> Iterator[brokers.PrivateBroker]:
    with brokers.running(brokers.private(kind)) as broker:
        yield broker


@dataclass(frozen=True)
class Holding:
    """What a worker's main process holds at one moment."""

    threads: int
    descriptors: int
    connections: int  #: to the broker that is killed

    @classmethod
    def of(cls, worker: Worker, broker: brokers.PrivateBroker) -> "Holding":
        """For good: what comes and goes is not seen in each of five looks."""
        looks = [cls.seen(worker, broker) for _ in range(5) if not time.sleep(0.05)]
        return min(looks, key=lambda look: (look.descriptors, look.connections, look.threads))

    @classmethod
    def seen(cls, worker: Worker, broker: brokers.PrivateBroker) -> "Holding":
        connections = psutil.Process(worker.process.pid).net_connections("tcp")
        ours = [one for one in connections if one.raddr and one.raddr.port == broker.port]
        return cls(worker.threads, worker.descriptors, [one.status for one in ours].count(psutil.CONN_ESTABLISHED))


def test_restarts_of_the_workers_own_broker_leave_one_timer_one_thread_and_one_gossip_per_interval(
    broker: brokers.PrivateBroker, kind: str, restarts: int, figures: Figures
) -> None:
    project = counted(Project(broker.url))
    where = f"worker's own {NAMES[kind]}"
    with crew(project) as workers, Ear(project) as ear:
        before, after = restarted(broker, restarts, workers, ear, figures, where)
        for pool, worker in workers.items():
            case = f"{pool}, {where}"
            figures.check("killed", case, "additional threads", after[pool].threads - before[pool].threads, most=0)
            grown = after[pool].connections - before[pool].connections
            figures.check("killed", case, "additional connections to it", grown, most=0)
            figures.note("killed", case, "additional descriptors", after[pool].descriptors - before[pool].descriptors)
            assert worker.stop() == 0
            assert not tracebacks_of_ours(worker)


def test_restarts_of_a_broker_for_the_gossip_alone_leave_one_connection_and_the_worker_never_reconnects(
    broker: brokers.PrivateBroker, kind: str, restarts: int, figures: Figures
) -> None:
    project = counted(Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=broker.url))
    where = f"{NAMES[kind]} for gossip only"
    try:
        with crew(project) as workers, Ear(project) as ear:
            before, after = restarted(broker, restarts, workers, ear, figures, where)
            for pool, worker in workers.items():
                case = f"{pool}, {where}"
                figures.check("killed", case, "connections to it", after[pool].connections, least=1, most=1)
                figures.check("killed", case, "additional threads", after[pool].threads - before[pool].threads, most=0)
                grown = after[pool].descriptors - before[pool].descriptors
                figures.check("killed", case, "additional descriptors", grown, least=0, most=0)
                figures.check("killed", case, "reconnects of the worker", reconnects(worker) - 1, most=0)
                assert worker.stop() == 0
    finally:
        project.clean()


def counted(project: Project) -> Project:
    project.install = {"interval": INTERVAL}
    project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.census"
    return project


def restarted(
    broker: brokers.PrivateBroker, times: int, workers: Crew, ear: Ear, figures: Figures, where: str
) -> tuple[dict[str, Holding], dict[str, Holding]]:
    """What each worker held after the first restart and after the last; what both cases measure is kept."""
    backs = [restart(broker, workers, ear)]
    before = {pool: Holding.of(worker, broker) for pool, worker in workers.items()}
    backs += [restart(broker, workers, ear) for _ in range(times - 1)]
    rates = gossip_rates(ear, workers, INTERVAL, ROUNDS)
    after = {pool: Holding.of(worker, broker) for pool, worker in workers.items()}  # before remote control adds its own
    for pool, worker in workers.items():
        case = f"{pool}, {where}"
        figures.note("killed", case, "restarts", times)
        figures.note("killed", case, "time to the next report, slowest, s", max(back[pool] for back in backs))
        figures.check("killed", case, "reports per interval", rates[pool], least=0.9, most=1.1, is_noisy=True)
        assert 0.7 <= rates[pool] <= 1.3
        take_census(worker, figures, case)
    return before, after


def restart(broker: brokers.PrivateBroker, workers: Crew, ear: Ear) -> dict[str, float]:
    """Kill and start it; `{pool: seconds}` after which each was heard. Later its own event loop is back, too."""
    broker.kill()
    broker.start()
    eventually(lambda: assert_answers(broker), timeout=40)  # RabbitMQ listens before it does
    returned_at = time.monotonic()
    backs = heard_again(ear, workers, returned_at, BACK_WITHIN)
    all_online(ear, workers, returned_at, RECONNECTED_WITHIN)
    return backs


def assert_answers(broker: brokers.PrivateBroker) -> None:
    with Connection(broker.url, connect_timeout=1, transport_options={"max_retries": 0}) as connection:
        try:
            connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        except Exception as exc:
            raise AssertionError("the broker does not answer yet") from exc


def take_census(worker: Worker, figures: Figures, case: str) -> None:
    """Asked when remote control is back; five times, for a tick that has just fired is not armed."""
    eventually(lambda: worker.project.inspect("gossip_census", worker.node), timeout=30)
    counts = [worker.project.inspect("gossip_census", worker.node) for _ in range(5)]
    figures.check("killed", case, "timers", max(count["timers"] for count in counts), least=1, most=1)
    figures.check("killed", case, "sender threads", max(count["threads"] for count in counts), least=1, most=1)
