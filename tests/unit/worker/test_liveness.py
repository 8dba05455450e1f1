"""LivenessReporter: writes the time of a tick at the next one, and only while the worker can consume."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery.utils.nodenames import node_format
from celery.worker import state as worker_state

from celery_gossip.errors import InvalidOption
from celery_gossip.health import HealthFile, unhealthy_reason
from celery_gossip.worker.liveness import LivenessReporter, open_health_file
from celery_gossip.worker.probe import Probe
from tests.unit.build import FakeClock
from tests.unit.fakes import a_consumer


class Worker:
    """A worker with one tick per second, made by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock(1000.0)
        self.consumer = a_consumer("default", "mail")
        self.is_broker_unconfirmed = False
        self.file = HealthFile(str(path))
        self.is_pool_dead = False
        self.liveness = LivenessReporter(
            self.file,
            Probe(self.consumer, 100),
            lambda: self.is_broker_unconfirmed,
            self.clock,
            is_pool_dead=lambda: self.is_pool_dead,
        )

    def work(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            try:
                self.liveness.update()
            finally:
                self.clock.advance(1.0)

    @property
    def age(self) -> float | None:
        """Seconds since the stamp; None without a file."""
        return self.clock.now - float(self.path.read_text().split()[0]) if self.path.exists() else None

    @property
    def is_red(self) -> bool:
        return unhealthy_reason(str(self.path), 10.0, self.clock) is not None


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path / "health")


def test_a_pool_that_starts_no_task_makes_the_check_fail_until_it_does(worker: Worker) -> None:
    worker.work(3)
    assert not worker.is_red
    worker.is_pool_dead = True
    worker.work(12)
    assert worker.is_red
    worker.is_pool_dead = False
    worker.work(2)
    assert not worker.is_red


def test_the_second_round_writes_the_time_of_the_first(worker: Worker) -> None:
    worker.work()
    assert worker.age is None
    worker.work()
    assert worker.age == 2.0


def test_a_worker_that_works_stays_green(worker: Worker) -> None:
    worker.work(2)
    for _ in range(200):
        worker.work()
        assert worker.age == 2.0


def cancel_all(worker: Worker) -> None:
    worker.consumer.task_consumer.cancel("default")
    worker.consumer.task_consumer.cancel("mail")


def lose_connection(worker: Worker) -> None:
    worker.consumer.connection = None


def lose_consumer(worker: Worker) -> None:
    worker.consumer.task_consumer = None


def doubt(worker: Worker) -> None:
    worker.is_broker_unconfirmed = True


def stop_consuming_beneath(worker: Worker) -> None:
    worker.consumer.task_consumer._active_tags.clear()


LOSSES = [cancel_all, lose_connection, lose_consumer, doubt, stop_consuming_beneath]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_worker_that_cannot_consume_is_red_within_the_greatest_age_from_the_loss(
    worker: Worker, lose: Callable[[Worker], None]
) -> None:
    worker.work(5)
    lose(worker)
    worker.work(10)
    assert worker.is_red


@pytest.mark.parametrize("lose", LOSSES)
def test_what_was_seen_before_a_loss_is_not_written_after_it(worker: Worker, lose: Callable[[Worker], None]) -> None:
    worker.work(5)
    before = worker.path.read_text()
    lose(worker)
    worker.work()
    assert worker.path.read_text() == before


def test_one_queue_of_several_is_enough(worker: Worker) -> None:
    worker.consumer.task_consumer.cancel("mail")
    worker.work(3)
    assert not worker.is_red


def test_a_worker_that_has_found_its_broker_again_is_green_again(worker: Worker) -> None:
    worker.work(3)
    doubt(worker)
    worker.work(20)
    worker.is_broker_unconfirmed = False
    worker.work(2)
    assert not worker.is_red


def test_a_loop_that_does_not_tick_lets_the_file_grow_old(worker: Worker) -> None:
    worker.work(3)
    worker.clock.advance(9.0)
    assert worker.is_red


def test_a_worker_that_gets_a_signal_removes_the_file_at_the_next_tick(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.work(3)
    monkeypatch.setattr(worker_state, "should_stop", 0)
    worker.work()
    assert not worker.path.exists()


def test_a_worker_that_leaves_removes_the_file_at_once_and_no_late_round_brings_it_back(worker: Worker) -> None:
    worker.work(3)
    worker.liveness.stop()
    assert not worker.path.exists()
    worker.work(3)
    assert not worker.path.exists()


def test_a_disk_error_is_reported_and_the_next_tick_tries_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.work(2)
    with monkeypatch.context() as patch:
        patch.setattr(worker.file, "touch", raising(OSError(28, "No space left on device")))
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                worker.work()
    worker.work()
    assert worker.age == 2.0


def raising(error: OSError) -> Any:
    def blow_up(*_: object) -> None:
        raise error

    return blow_up


def test_without_a_file_nothing_is_asked_and_nothing_done() -> None:
    liveness = LivenessReporter(None, Probe(None, 100), lambda: 1 / 0 > 0)
    liveness.update()
    liveness.stop()


# The file of a worker.


def test_without_the_option_there_is_no_file() -> None:
    assert open_health_file(None, "celery@web1") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("%n.health", "celery.health"),
        ("%h", "web1.example.com"),
        ("%n-%d", "celery-example.com"),
        ("100%%", node_format("100%%", "celery@web1")),  # older releases of Celery leave it as it is
        ("plain", "plain"),
    ],
)
def test_a_path_is_expanded_as_in_celerys_own_options(tmp_path: Path, name: str, expected: str) -> None:
    file = open_health_file(str(tmp_path / name), "celery@web1.example.com")
    assert file is not None and file.path == str(tmp_path / expected)


def test_a_file_of_an_earlier_worker_is_removed(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("999.0 1\n")
    open_health_file(str(tmp_path / "health"), "celery@web1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nowhere/health", "No such file or directory"),
        ("file/health", "Not a directory"),
        ("folder", "Is a directory"),
        ("%q", "Unknown format %q"),
        ("%p" + "x" * 300, "File name too long"),
    ],
)
def test_a_file_that_can_never_be_written_is_refused_in_one_line(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidOption) as refused:
        open_health_file(str(tmp_path / name), "celery@web1")
    text = str(refused.value)
    assert text.startswith("gossip_health_file: expected a file in a folder that exists and is writable")
    assert name in text and why in text and "\n" not in text
