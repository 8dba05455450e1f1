"""Process: one simulated instance of a worker. Workers: all processes, and the events of a schedule for them."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from celery_gossip.wire.encoding import encode
from tests.simulation.schedule import Act, Schedule
from tests.simulation.world import STARTS_AT, World
from tests.unit.build import a_gossip

_CROWD = 12  #: processes with one hostname in the event "crowd"
_TEMPLATE = a_gossip(concurrency=1, active=1)


@dataclass
class Process:
    """Reports once per interval, as a worker does, until it ends."""

    world: World
    hostname: str
    number: int
    interval: float
    began_at: float
    seq: int = 0
    state: str = "online"
    ended_at: float | None = None
    drains_since: float | None = None
    stalled_since: float | None = None
    is_frozen: bool = False
    cut_until: float = 0.0
    clock_is_off_by: float = 0.0

    @property
    def boot(self) -> str:
        return f"{self.number:016x}"

    def tick(self) -> None:
        if self.ended_at is not None:
            return
        self.world.at(self.world.now + self.interval * self.world.random.uniform(0.9, 1.1), self.tick)
        if not self.is_frozen:
            self.speak()

    def speak(self) -> None:
        world = self.world
        if world.is_down:
            self.cut_until = max(self.cut_until, world.recovers_at)
        self.seq += 1
        if world.now < self.cut_until:
            return
        stalled_for = 0.0 if self.stalled_since is None else world.now - self.stalled_since
        gossip = msgspec.structs.replace(
            _TEMPLATE,
            hostname=self.hostname,
            boot=self.boot,
            seq=self.seq,
            interval=self.interval,
            sent_at=world.now + 1e9 + self.clock_is_off_by,
            state=self.state,
            stalled_for=stalled_for if self.state == "online" else 0.0,
        )
        world.send(encode(gossip), gossip)

    def crash(self) -> None:
        if self.ended_at is None:
            self.ended_at = self.world.now

    def stop(self) -> None:
        if self.ended_at is None and not self.is_frozen:
            self.state = "offline"
            self.speak()
        self.crash()

    def drain(self, seconds: float) -> None:
        if self.ended_at is None and self.state == "online":
            self.state = "draining"
            self.drains_since = self.world.now
            self.world.at(self.world.now + seconds, self.stop)

    def stall(self, seconds: float) -> None:
        self.stalled_since = self.world.now
        self.world.at(self.world.now + seconds, self._tick_again)

    def _tick_again(self) -> None:
        self.stalled_since = None

    def freeze(self, seconds: float) -> None:
        self.is_frozen = True
        self.world.at(self.world.now + seconds, self._thaw)

    def _thaw(self) -> None:
        self.is_frozen = False

    def cut(self, seconds: float) -> None:
        self.cut_until = max(self.cut_until, self.world.now + seconds)

    def clock(self, seconds: float) -> None:
        self.clock_is_off_by += seconds


class Workers:
    """All processes that have run, by hostname."""

    def __init__(self, world: World, schedule: Schedule) -> None:
        self._world = world
        self._intervals = schedule.intervals
        self.by_hostname: dict[str, list[Process]] = {f"w{who}": [] for who in range(len(schedule.intervals))}
        for who in range(len(schedule.intervals)):
            world.at(STARTS_AT + world.random.random() * 0.5, self.start, who)

    def __iter__(self) -> Iterator[Process]:
        return (process for processes in self.by_hostname.values() for process in processes)

    def plan(self, act: Act) -> None:
        """Schedule this event of a worker."""
        own = getattr(self, act.what, None)
        if own is not None:
            self._world.at(STARTS_AT + act.at, own, act.who, act.value)
        else:
            self._world.at(STARTS_AT + act.at, self._befall, act)

    def start(self, who: int, interval: float = 0.0) -> Process:
        processes = self.by_hostname[f"w{who}"]
        number = (who + 1) * 1000 + len(processes)
        process = Process(self._world, f"w{who}", number, interval or self._intervals[who], self._world.now)
        processes.append(process)
        process.tick()
        return process

    def crash(self, who: int, seconds: float) -> None:
        for process in self.by_hostname[f"w{who}"]:
            process.crash()

    def restart(self, who: int, seconds: float) -> None:
        """Crash and restart, sometimes with another interval."""
        self.crash(who, seconds)
        factor = self._world.random.choice((1, 1, 1, 0.5, 2))
        self._world.at(self._world.now + seconds, self.start, who, self._intervals[who] * factor)

    def roll(self, who: int, seconds: float) -> None:
        """Start a successor while the old process still drains."""
        for process in self.by_hostname[f"w{who}"]:
            process.drain(seconds)
        self.start(who)

    def twin(self, who: int, seconds: float) -> None:
        """Run a second worker with the same hostname for that time."""
        twin = self.start(who)
        end = self._world.random.choice((twin.stop, twin.crash))
        self._world.at(self._world.now + seconds, end)

    def crowd(self, who: int, seconds: float) -> None:
        """Run more workers with one hostname than the view tracks."""
        for _ in range(_CROWD):
            self.twin(who, seconds)

    def _befall(self, act: Act) -> None:
        processes = self.by_hostname[f"w{act.who}"]
        if processes:
            befall = getattr(processes[-1], act.what)
            befall() if act.what == "stop" else befall(act.value)
