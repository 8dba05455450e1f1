"""The health file of beat: fresh while the scheduler ticks or waits for its lock, and what the probe says."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip import InvalidOption
from celery_gossip.beat.liveness import BeatLiveness, open_health_file
from celery_gossip.beat.observer import Observer
from celery_gossip.health import HealthFile, is_standby, main, unhealthy_reason
from tests.support import eventually
from tests.unit.build import FakeClock


class Rig:
    """A liveness with a scheduler that the test moves."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = str(path), FakeClock()
        self.scheduler: Any = SimpleNamespace(tick=lambda: self.asked)
        self.asked: Any = 300.0
        self.standby = False
        self.observer = Observer(self.scheduler, self.clock)
        self.observer.attach()
        file = open_health_file(self.path, "celerybeat@web1")
        assert file is not None
        self.liveness = BeatLiveness(file, self.observer, lambda: self.standby, 1.0, self.clock)

    def age(self) -> float | None:
        """Return the age of the file after an update; None if it is missing."""
        self.liveness.update()
        try:
            line = Path(self.path).read_text()
        except FileNotFoundError:
            return None
        return self.clock.now - float(line.split()[0])


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "beat")


def test_the_file_stays_fresh_while_beat_sleeps_for_as_long_as_its_tick_has_asked(rig: Rig) -> None:
    rig.scheduler.tick()
    for _ in range(30):
        rig.clock.advance(10)
        assert rig.age() == 0.0
    rig.clock.advance(1.9)
    assert rig.age() == 0.0
    rig.clock.advance(8.0)
    assert rig.age() == 8.0
    rig.scheduler.tick()
    assert rig.age() == 0.0


def test_the_file_grows_old_while_a_tick_hangs(rig: Rig) -> None:
    seen: list[float | None] = []

    def hang() -> float:
        for _ in range(3):
            rig.clock.advance(2.0)
            seen.append(rig.age())
        return 1.0

    scheduler: Any = SimpleNamespace(tick=hang)
    rig.observer = rig.liveness._observer = Observer(scheduler, rig.clock)
    rig.observer.attach()
    scheduler.tick()
    assert seen == [0.0, 2.0, 4.0]


def test_a_beat_that_never_ticks_is_not_healthy(rig: Rig) -> None:
    rig.clock.advance(2.5)
    assert rig.age() is None


def test_a_standby_is_healthy_and_says_so(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.standby = True
    rig.clock.advance(3600.0)
    assert rig.age() == 0.0
    assert unhealthy_reason(rig.path, 10.0, rig.clock) is None
    HealthFile(rig.path).touch(0.0, "standby")
    assert main([rig.path, "--max-age", "1e9"]) == 0
    assert capsys.readouterr().out == f"{rig.path}: standby; waits for the lock of the scheduler\n"
    rig.scheduler.tick()  # it has got the lock, whatever the scheduler says
    assert rig.age() == 0.0
    assert not is_standby(rig.path)


def test_the_file_is_removed_when_a_tick_raises_and_at_the_end(rig: Rig) -> None:
    rig.scheduler.tick()
    assert rig.age() == 0.0
    rig.liveness.stop()
    assert not Path(rig.path).exists()
    rig.liveness.update()
    rig.observer.has_crashed = True
    assert rig.age() is None


def test_the_thread_writes_the_file_and_keeps_its_errors_for_the_thread_of_beat(rig: Rig, tmp_path: Path) -> None:
    rig.liveness.start()
    eventually(lambda: _assert(Path(rig.path).exists()))
    rig.liveness.stop()
    assert not Path(rig.path).exists()
    other = Rig(tmp_path / "other")
    other.liveness._is_standby = lambda: 1 / 0  # type: ignore[assignment, return-value]
    other.liveness.start()
    eventually(lambda: _assert([type(exc) for exc in other.liveness.failures] == [ZeroDivisionError]))
    other.liveness.stop()


def _assert(is_true: bool) -> None:
    assert is_true


def test_the_path_has_the_parts_of_the_node_name(tmp_path: Path) -> None:
    file = open_health_file(f"{tmp_path}/%n-%h-%d-%%", "celerybeat@web1.example.org")
    assert file is not None and file.path == f"{tmp_path}/celerybeat-web1.example.org-example.org-%"
    assert open_health_file(None, "celerybeat@web1") is None


@pytest.mark.parametrize("path", ["/nowhere/at/all", "%i", "x%"])
def test_a_path_that_cannot_be_written_is_an_invalid_option(path: str) -> None:
    with pytest.raises(InvalidOption, match="gossip_beat_health_file: expected a file in a folder"):
        open_health_file(path, "celerybeat@web1")
