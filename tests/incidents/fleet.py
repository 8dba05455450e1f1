"""A fleet in virtual time: workers that pull tasks from queues, a Cluster that receives their reports, and the checks
that a listener runs. Nothing waits; a minute takes some milliseconds.

Workers count their tasks with a Meter, as real ones do, and the findings are those of PeriodicChecks.
"""

import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.isolation import IsolationDetector
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.listener.periodic_checks import PeriodicChecks
from celery_gossip.wire.encoding import encode, encode_echo
from celery_gossip.wire.messages import Beat as BeatReport
from celery_gossip.wire.messages import (
    Echo,
    Gossip,
    HeldMessage,
    PoolProcesses,
    Resources,
    RunningTask,
    Settings,
    Software,
    decode,
)
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.sent_table import SentTable
from tests.incidents.beat import Beat, Entry
from tests.unit.build import FakeClock, a_check, a_gossip

__all__ = ["Beat", "Entry", "Event", "Fleet", "Sender", "Task", "Worker", "a_software"]

START = 1_000.0  #: monotonic seconds of the first report
LISTED = 100  #: tasks of a queue that a report lists, `gossip_active_limit`
STEP = 0.25  #: seconds, as between two checks of a listener


def a_software(release: str = "v41", registry: str = "41" * 8, visibility_timeout: float | None = None) -> Software:
    """Return the software of a worker."""
    return Software(
        release=release, registry=registry, tasks=12, settings=Settings(visibility_timeout=visibility_timeout)
    )


class Event(NamedTuple):
    """A finding was raised or cleared."""

    at: float  #: seconds since the start of the scene
    is_raised: bool
    finding: Finding


@dataclass
class Task:
    """A message: how long it runs, how it ends, and what limits it."""

    id: str
    name: str = "shop.pack"
    seconds: float = 0.1
    outcome: str = "succeeded"
    kind: str = ""  #: exception class of a failed task
    sent_at: float = 0.0
    time_limit: float | None = None
    soft_time_limit: float | None = None
    is_redelivered: bool = False
    acks_late: bool = False
    received_at: float = 0.0  #: by the worker that holds it
    eta: float = 0.0  #: monotonic seconds; of a task that a scene puts into `Worker.etas`
    is_stamped: bool = True  #: its header says when it was sent
    is_urgent: bool = False  #: it overtakes the messages that wait
    retries: int = 0  #: attempts that end in a retry before the outcome
    countdown: float = 10.0  #: seconds until a retry


@dataclass
class Run:
    """A task in a slot."""

    task: Task
    queue: str
    started_at: float


@dataclass
class Worker:
    """One instance of a worker. A scene changes its attributes."""

    fleet: "Fleet"
    hostname: str
    queues: tuple[str, ...] = ("mail",)
    pool: str = "prefork"
    concurrency: int = 4
    prefetch: int = 16  #: prefetch count
    interval: float = 1.0
    boot: str = ""
    runs: list[Run] = field(default_factory=list)
    reserved: deque[tuple[str, Task]] = field(default_factory=deque)
    scheduled: int = 0
    etas: list[Task] = field(default_factory=list)  #: some of the scheduled tasks
    software: Software | None = None
    failures: float = 0.0  #: share of its tasks that fail because of its code
    unknown: frozenset[str] = frozenset()  #: names of tasks that it has not registered
    limited: int = 0
    batched: int = 0
    paused: set[str] = field(default_factory=set)
    broadcast: bool = False
    state: str = "online"
    stalled_since: float | None = None
    drained_at: float | None = None
    is_consuming: bool = True  #: False: its consumers have stopped although it believes to consume
    deaf: set[str] = field(default_factory=set)  #: queues whose consumer alone has stopped in this way
    is_frozen: bool = False  #: True: stopped by SIGSTOP or with its virtual machine
    starts_tasks: bool = True  #: False: its pool does not work
    is_reporting: bool = True
    delay: float = 0.0  #: seconds by which its reports arrive late
    loss: float = 0.0  #: share of its reports that are lost
    clock_error: float = 0.0  #: seconds by which the clock of its host is fast
    main: float = 0.1  #: GiB of the main process
    child: float = 0.1  #: GiB of each process of its pool
    memory_limit: float | None = None  #: GiB
    ended: Counter[str] = field(default_factory=Counter)  #: processes of the pool, by how they ended
    seq: int = 0
    processed: int = 0
    due_at: float = 0.0

    def __post_init__(self) -> None:
        self.boot = self.boot or f"{self.fleet.random.getrandbits(64):016x}"
        self.meter = Meter(clock=self.fleet.clock)
        self.due_at = self.fleet.clock.now + self.fleet.random.random() * self.interval
        self.started_at = self.fleet.clock.now

    @property
    def has_free_slot(self) -> bool:
        return len(self.runs) < self.concurrency

    @property
    def wall_clock(self) -> float:
        """Seconds since the epoch, as far as its host knows."""
        return self.fleet.clock.now + self.clock_error

    @property
    def is_solo_busy(self) -> bool:
        """True while a task occupies the only process, which runs the event loop, too."""
        return self.pool == "solo" and bool(self.runs)

    @property
    def memory(self) -> float:
        """GiB of all its processes."""
        return self.main + self.child * self.concurrency

    def kill(self, *, redeliver: bool = False) -> None:
        """End without a word; with `redeliver` the messages return to their queues, as of tasks with acks_late."""
        self.is_reporting = self.is_consuming = self.starts_tasks = False
        for queue, task in [*((run.queue, run.task) for run in self.runs), *self.reserved] if redeliver else ():
            task.is_redelivered = True
            self.fleet.waiting[queue].appendleft(task)
        self.runs.clear()
        self.reserved.clear()
        self.fleet.workers.remove(self)

    def shut_down(self, *, is_cold: bool = False) -> None:
        """Report `offline` and end. A warm shutdown returns reserved tasks; a cold one cuts off the running ones."""
        for queue, task in self.reserved:
            self.fleet.waiting[queue].append(task)
        self.reserved.clear()
        if not is_cold:
            assert not self.runs, "drain() it first"
        self.state = "offline"
        self.report()
        self.fleet.workers.remove(self)

    def drain(self) -> None:
        """Begin a warm shutdown; shut_down() ends it."""
        self.state, self.is_consuming, self.starts_tasks = "draining", False, False
        self.drained_at = self.fleet.clock.now

    def restart(self, **changes: Any) -> "Worker":
        """Return another instance under the same hostname."""
        options = {name: getattr(self, name) for name in ("queues", "pool", "concurrency", "software", "unknown")}
        return self.fleet.add(self.hostname, **{**options, **changes})

    def start(self, queue: str, task: Task) -> Run:
        """Receive a task and start it in a slot."""
        self._count_received(queue, task)
        return self._start(queue, task)

    def _count_received(self, queue: str, task: Task) -> None:
        series = self.meter.get_series(queue, task.name)
        series.count_received()
        if task.is_stamped and not task.is_redelivered and task.sent_at > series.intake.newest_sent_at:
            series.intake.newest_sent_at = task.sent_at

    def _start(self, queue: str, task: Task) -> Run:
        now, series = self.fleet.clock.now, self.meter.get_series(queue, task.name)
        series.count_started(max(0.0, self.wall_clock - task.sent_at) if task.sent_at else None)
        self.processed += 1
        run = Run(task, queue, now)
        self.runs.append(run)
        return run

    def work(self) -> None:
        """End the tasks that are due, start reserved ones, and receive others."""
        now = self.fleet.clock.now
        if self.is_frozen:
            self.due_at = max(self.due_at, now)
            return
        if self.stalled_since is None:
            for run in [run for run in self.runs if now - run.started_at >= run.task.seconds]:
                self._end(run)
        while self.starts_tasks and self.stalled_since is None and self.reserved and self.has_free_slot:
            self._start(*self.reserved.popleft())
        if self.is_consuming and self.stalled_since is None and not self.is_solo_busy:
            self._receive()
        if self.is_reporting and now >= self.due_at:
            self.due_at += self.interval
            self.report()

    def report(self) -> None:
        """Send a report."""
        self.seq += 1
        delta = self.meter.collect()
        self.meter.commit(len(delta.series))
        gossip = self._compose(delta.series, self.meter.newest_ages(self.queues, self.wall_clock))
        if not self.loss or self.fleet.random.random() >= self.loss:
            self.fleet.deliver(gossip, self.delay)

    def _end(self, run: Run) -> None:
        self.runs.remove(run)
        seconds = self.fleet.clock.now - run.started_at if run.task.seconds else 0.0
        series, outcome, kind = self.meter.get_series(run.queue, run.task.name), run.task.outcome, run.task.kind
        if self.failures and self.fleet.random.random() < self.failures:
            outcome, kind = "failed", "AttributeError"
        if run.task.retries:
            outcome, kind = "retried", ""
            self.fleet.retry(run.queue, run.task)
        series.count_ended(outcome, min(seconds, run.task.seconds), kind)

    def _receive(self) -> None:
        for queue in self.queues:
            waiting = self.fleet.waiting[queue]
            is_consumed = queue not in self.paused and queue not in self.deaf
            while waiting and is_consumed and self._has_room and not self.is_solo_busy:
                task = waiting.popleft()
                task.received_at = self.fleet.clock.now
                self._count_received(queue, task)
                if task.name in self.unknown:
                    self.meter.get_series(queue, task.name).count_ended("failed", kind="NotRegistered")
                elif self.starts_tasks and self.has_free_slot:
                    self._start(queue, task)
                    if not task.seconds:
                        self._end(self.runs[-1])
                else:
                    self.reserved.append((queue, task))

    @property
    def _has_room(self) -> bool:
        held = len(self.reserved) + self.limited + self.batched + self.scheduled
        return not self.prefetch or held < self.prefetch

    def _compose(self, series: Any, newest: tuple[float | None, ...]) -> Gossip:
        now = self.fleet.clock.now
        names = tuple(dict.fromkeys(run.task.name for run in self.runs))
        stalled_since = self.runs[0].started_at if self.is_solo_busy else self.stalled_since
        stalled_for = 0.0 if stalled_since is None else now - stalled_since
        return a_gossip(
            hostname=self.hostname,
            boot=self.boot,
            seq=self.seq,
            interval=self.interval,
            sent_at=self.wall_clock,
            state=self.state,
            stalled_for=stalled_for if stalled_for >= 1.5 * self.interval else 0.0,
            pool=self.pool,
            concurrency=self.concurrency,
            prefetch_count=self.prefetch,
            active=len(self.runs),
            reserved=len(self.reserved),
            scheduled=self.scheduled,
            limited=self.limited,
            batched=self.batched,
            processed=self.processed,
            checks=tuple(self._check(queue, names, now) for queue in self.queues),
            names=names,
            series=series,
            software=self.software if self.seq <= 3 or self.seq % 60 == 0 else None,
            held=self._held(now),
            resources=self._resources() if self.seq % 5 == 1 and self.state != "offline" else None,
            newest=newest,
        )

    def _resources(self) -> Resources:
        gib, children = 2**30, self.concurrency if self.pool == "prefork" else 0
        processes = PoolProcesses(
            started=children + self.ended.total(),
            starting=0,
            last_loss=-9 if self.ended["lost"] else None,
            **{how: self.ended[how] for how in ("exited", "recycled", "terminated", "lost")},
        )
        return Resources(
            rss=int(self.main * gib),
            children_rss=int(self.child * children * gib) if children else None,
            largest_child_rss=int(self.child * gib) if children else None,
            memory_limit=None if self.memory_limit is None else int(self.memory_limit * gib),
            memory_used=None if self.memory_limit is None else int(self.memory * gib),
            processes=processes if children else None,
        )

    def _held(self, now: float) -> tuple[HeldMessage, ...]:
        """As the HeldMessages of a real worker."""
        timeout = self.software.settings.visibility_timeout if self.software else None
        if timeout is None:
            return ()
        queue = self.queues[0]
        held = [(run.queue, run.task, "running") for run in self.runs if run.task.acks_late]
        held += [(name, task, "reserved") for name, task in self.reserved]
        held += [(queue, task, "scheduled") for task in self.etas if task.eta > now]
        messages = [
            HeldMessage(queue, task.name, task.id, state, now - task.received_at, max(0.0, task.eta - now))  # type: ignore[arg-type]
            for queue, task, state in held
        ]
        late = [one for one in messages if one.age + one.remaining >= timeout / 2]
        return tuple(sorted(late, key=lambda one: -(one.age + one.remaining))[:3])

    def _check(self, queue: str, names: tuple[str, ...], now: float) -> Any:
        runs = sorted((run for run in self.runs if run.queue == queue), key=lambda run: run.started_at)
        return a_check(
            queue,
            paused=queue in self.paused,
            active=tuple(run.task.id for run in runs[:LISTED]),
            active_count=len(runs),
            reserved=sum(name == queue for name, _ in self.reserved),
            scheduled=self.scheduled if queue == self.queues[0] else 0,
            broadcast=self.broadcast,
            shutdown_started_at=None if self.drained_at is None else self.drained_at + self.clock_error,
            started_at=self.started_at + self.clock_error,
            updated_at=self.wall_clock,
            tasks=tuple(
                RunningTask(
                    names.index(run.task.name),
                    round(now - run.started_at, 1),
                    is_redelivered=run.task.is_redelivered,
                    soft_time_limit=run.task.soft_time_limit,
                    time_limit=run.task.time_limit,
                )
                for run in runs[:LISTED]
            ),
        )


@dataclass
class Sender:
    """A process that counts what it sends, with the table of a real one."""

    fleet: "Fleet"
    id: str
    table: SentTable = field(default_factory=lambda: SentTable("shop"))
    number: int = 0
    due_at: float = float("inf")
    since: float = 0.0
    is_reporting: bool = True  #: False: its messages are lost
    delay: float = 0.0  #: seconds by which they arrive late

    def count(self, queue: str, task: str, *, is_route: bool = False) -> None:
        """Count a task that was sent now."""
        now = self.fleet.clock.now
        if self.due_at == float("inf"):
            self.due_at = now + 9.0 + 2.0 * self.fleet.random.random()
            self.since = now
        self.table.add(queue, task, 1, now, is_route=is_route)

    def work(self) -> None:
        """Report if a report is due."""
        if self.fleet.clock.now >= self.due_at:
            self.report()

    def report(self, *, is_last: bool = False) -> None:
        """Send what is pending."""
        now = self.fleet.clock.now
        for report in self.table.reports(now, now - self.since, is_last=is_last):
            self.number += 1
            body = encode_echo(Echo(echo=self.id, number=self.number, sent=report))
            if self.is_reporting:
                self.fleet.deliver_body(body, self.delay)
        self.table.commit()
        self.since = now
        self.due_at = now + 10.0 if self.table.has_pending else float("inf")

    def end(self) -> None:
        """End with a last report."""
        self.report(is_last=True)
        self.fleet.senders.remove(self)

    def kill(self) -> None:
        """End without it."""
        self.fleet.senders.remove(self)


class Fleet:
    """Workers, queues, and a listener's checks. `run()` advances the time."""

    def __init__(self, seed: int = 7) -> None:
        self.clock = FakeClock(START)
        self.random = Random(seed)
        self.workers: list[Worker] = []
        self.waiting: dict[str, deque[Task]] = defaultdict(deque)
        self.unreadable: dict[str, str] = {}
        self.rejections: dict[str, str] = {}
        self.senders: list[Sender] = []  #: the first of them sends what send() sends
        self.beats: list[Beat] = []
        self.app_entries = 0  #: entries of `beat_schedule` in the settings of the listener's app
        self.vanishing: dict[str, float] = {}  #: share of the messages to these queues that vanish
        self.missing: set[str] = set()  #: queues that do not exist
        self.reads_backlogs = True
        self.events: list[Event] = []
        self.transitions: Counter[str] = Counter()
        self.onset = 0.0
        self._ids = itertools.count(1)
        self._traffic: list[Callable[[], None]] = []
        self._retries: list[tuple[float, str, Task]] = []
        self._in_transit: list[tuple[float, bytes]] = []
        self._read_at = START
        self.cluster = Cluster(self.clock)
        self.isolation = IsolationDetector(START)
        self.isolation.connection_opened(START)
        self.cluster.statistics.start(START)
        self.checks = self._build_checks()

    def add(self, hostname: str = "w1", **options: Any) -> Worker:
        """Start a worker."""
        worker = Worker(self, hostname, **options)
        self.workers.append(worker)
        return worker

    def send(self, queue: str = "mail", count: int = 1, **options: Any) -> list[Task]:
        """Send tasks to a queue."""
        tasks = [Task(id=f"id-{next(self._ids)}", sent_at=self.clock.now, **options) for _ in range(count)]
        for task in tasks:
            if self.senders:
                self.senders[0].count(queue, task.name)
            if queue not in self.missing and self.random.random() >= self.vanishing.get(queue, 0.0):
                waiting = self.waiting[queue]
                (waiting.appendleft if task.is_urgent else waiting.append)(task)
        return tasks

    def retry(self, queue: str, task: Task) -> None:
        """Send a task again after its countdown, as task.retry() does."""
        at = self.clock.now + task.countdown
        self._retries.append((at, queue, replace(task, retries=task.retries - 1, sent_at=at)))

    def redeliver(self, timeout: float) -> None:
        """Deliver messages again that a worker has held for `timeout` without an acknowledgement, as Redis does."""
        for worker in self.workers:
            held = [(run.queue, run.task) for run in worker.runs if run.task.acks_late]
            for queue, task in [*held, *worker.reserved]:
                if self.clock.now - task.received_at >= timeout:
                    task.received_at = self.clock.now  # its entry is renewed
                    self.waiting[queue].append(replace(task, is_redelivered=True))

    def add_sender(self) -> Sender:
        """Start a process that counts what it sends."""
        sender = Sender(self, f"{self.random.getrandbits(64):016x}")
        self.senders.append(sender)
        return sender

    def add_beat(self, hostname: str = "celerybeat@web1", *entries: Entry, **options: Any) -> Beat:
        """Start a beat process with these entries."""
        beat = Beat(self, hostname, {entry.name: entry for entry in entries}, **options)
        self.beats.append(beat)
        return beat

    def traffic(self, rate: float, queue: str = "mail", **options: Any) -> Callable[..., None]:
        """Send tasks steadily, `rate` per second; calling the result changes the rate and the options."""
        stream = {"rate": rate, "owed": 0.0, "options": options}

        def send() -> None:
            stream["owed"] += stream["rate"] * STEP  # type: ignore[operator]
            count = int(stream["owed"])  # type: ignore[call-overload]
            stream["owed"] -= count  # type: ignore[operator]
            for _ in range(count):
                self.send(queue, **_drawn(stream["options"], self.random))  # type: ignore[arg-type]

        def change(rate: float | None = None, **options: Any) -> None:
            stream["rate"] = stream["rate"] if rate is None else rate
            stream["options"] = {**stream["options"], **options}  # type: ignore[dict-item]

        self._traffic.append(send)
        return change

    def always(self, change: Callable[[float], None]) -> None:
        """Call `change` with the seconds that have passed since now, in each step."""
        since = self.clock.now
        self._traffic.append(lambda: change(self.clock.now - since))

    def begin(self) -> None:
        """Note that the incident begins now."""
        self.onset = self.clock.now - START

    def run(self, seconds: float) -> None:
        """Advance the time: tasks are sent and worked on, reports arrive, and the listener checks."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            for send in self._traffic:
                send()
            for due in [retry for retry in self._retries if retry[0] <= self.clock.now]:
                self._retries.remove(due)
                self.waiting[due[1]].append(due[2])
            for beat in list(self.beats):
                beat.work()
            for worker in self.random.sample(self.workers, len(self.workers)):
                worker.work()
            for sender in list(self.senders):
                sender.work()
            self._receive_reports()
            if self.reads_backlogs and self.clock.now >= self._read_at:
                self._read_at = self.clock.now + 2.0
                self._read_lengths()
            self.checks.run(self.clock.now, is_isolation_changed=False)

    def _read_lengths(self) -> None:
        names = {queue for worker in self.workers for queue in worker.queues} | set(self.waiting)
        names.update(queue for share in self.cluster.queue_shares() for queue in share.queues)
        lengths: dict[str, int | None] = {
            name: len(self.waiting[name]) for name in names if name not in self.unreadable
        }
        lengths |= dict.fromkeys(names & self.missing)
        self.cluster.set_queue_lengths(lengths, self.clock.now, missing=self.missing)

    def restart_listener(self) -> None:
        """Begin to listen anew, in the middle of everything."""
        self.cluster = Cluster(self.clock)
        self.isolation = IsolationDetector(self.clock.now)
        self.isolation.connection_opened(self.clock.now)
        self.cluster.statistics.start(self.clock.now)
        self.checks = self._build_checks()

    def isolate(self) -> None:
        """Cut the listener off: its view is frozen."""
        self.cluster.set_isolated(self.clock.now)

    def reconnect(self) -> None:
        """End the isolation."""
        self.cluster.clear_isolated(self.clock.now)

    def deliver(self, gossip: Gossip, delay: float) -> None:
        self.deliver_body(encode(gossip), delay)

    def deliver_body(self, body: bytes, delay: float) -> None:
        self._in_transit.append((self.clock.now + delay, body))

    def _receive_reports(self) -> None:
        arrived = [body for at, body in self._in_transit if at <= self.clock.now]
        self._in_transit = [(at, body) for at, body in self._in_transit if at > self.clock.now]
        for body in arrived:
            message = decode(body)
            if isinstance(message, Gossip):
                self._note(self.cluster.apply_gossip(message, self.clock.now))
            elif isinstance(message, BeatReport):
                self._note(self.cluster.apply_beat(message, self.clock.now))
            else:
                self.cluster.apply_sent(message, self.clock.now)

    def _note(self, transitions: Any) -> None:
        self.transitions.update(transition.state for transition in transitions)

    def _build_checks(self) -> PeriodicChecks:
        events: Any = SimpleNamespace(emit=self._emit, emit_transitions=self._note)
        subscription = SimpleNamespace(uri="redis://broker/0")
        loop: Any = SimpleNamespace(
            isolation=self.isolation, error=None, echo=SimpleNamespace(error=None), subscription=subscription
        )
        queue_lengths: Any = SimpleNamespace(has_read=True, unreadable=lambda view: self.unreadable)
        rejections: Any = SimpleNamespace(
            exchange="celery_gossip", counts=Counter(self.rejections.keys()), recent=lambda now: self.rejections
        )
        checks = PeriodicChecks(loop, self.cluster, queue_lengths, rejections, events)
        checks.app_entries = self.app_entries
        return checks

    def _emit(self, name: str, finding: Finding) -> None:
        self.events.append(Event(self.clock.now - START, name == "finding_raised", finding))


def _drawn(options: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return options of one task: `failures` is a share of tasks, `spread` varies the runtime."""
    chosen = dict(options)
    share, kind = chosen.pop("failures", 0.0), chosen.pop("exception", "KeyError")
    spread = chosen.pop("spread", 0.3)
    if random.random() < share:
        chosen |= {"outcome": "failed", "kind": kind}
    chosen["seconds"] = chosen.get("seconds", 0.1) * random.lognormvariate(0.0, spread)
    return chosen
