"""The fleet in a bottle as anyone runs it: on a real broker, in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from celery_gossip import Listener
from tests.integration.corner import Corner, corner_of
from tests.support import eventually
from tests.support.workers import REPOSITORY


@pytest.fixture(params=[pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in ("redis", "rabbitmq")])
def corner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corner]:
    corner = corner_of(request.param, tmp_path)
    yield corner
    corner.clean()


@contextmanager
def running(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def assert_states(listener: Listener, **expected: int) -> None:
    states = [worker.state for worker in listener.cluster.workers()]
    assert {state: states.count(state) for state in states} == expected


def test_a_listener_hears_a_fleet_whose_workers_say_goodbye_at_ctrl_c(corner: Corner) -> None:
    size = ("--workers=20", "--queues=3", "--interval=0.5", "--names=hostile")
    with (
        corner.listener() as listener,
        running("benchmarks.fleet", *size, f"--broker={corner.url}", f"--exchange={corner.exchange}") as fleet,
    ):
        listener.wait(workers=20, timeout=20)
        assert_states(listener, online=20)
        assert [queue.workers for queue in listener.cluster.queues()] == [20, 20, 20]
        fleet.send_signal(signal.SIGINT)
        statistics, complaints = fleet.communicate(timeout=20)
        eventually(lambda: assert_states(listener, offline=20))
    assert fleet.returncode == 0
    assert "published" in statistics and "unsent 0" in statistics
    assert "Traceback" not in complaints
    assert listener.rejected == {}


def test_a_bad_option_is_refused_in_one_line() -> None:
    with running("benchmarks.fleet", "--workers=1", "--exchange=a/b") as fleet:
        _, complaints = fleet.communicate(timeout=20)
    assert fleet.returncode == 2
    assert complaints.splitlines() == [
        "fleet: gossip_exchange: expected a name of 1 to 127 characters from a-z, 0-9 and _, got 'a/b'"
    ]


def test_listening_prints_what_it_measured_and_leaves_nothing(corner: Corner) -> None:
    size = ("--workers=20", "--queues=3", "--interval=0.2", "--seconds=1", "--warmup=0.5")
    exchange = f"--exchange={corner.exchange}"
    with running("benchmarks.listening", *size, f"--broker={corner.url}", exchange) as listening:
        figures, complaints = listening.communicate(timeout=60)
    assert listening.returncode == 0, complaints
    assert "states: online 100.00%" in figures and "refused 0" in figures
    assert "decode()" in figures and "Cluster.apply_gossip()" in figures
    assert corner.leftovers() == []
