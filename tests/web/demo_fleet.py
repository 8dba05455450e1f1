"""A demonstration fleet for pictures of the dashboard: twenty minutes pass at once, then it follows the clock.

Every worker counts with a Meter, like a real one, and the findings are those of the real diagnosis.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from msgspec.structs import replace

from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import RuleInput
from celery_gossip.wire.messages import (
    Gossip,
    Profile,
    QueueCheck,
    Resources,
    RunningTask,
    Setting,
    Settings,
    Software,
    TaskNames,
    WaitingState,
    WaitingTask,
)
from celery_gossip.wire.profile import registry_digest
from celery_gossip.wire.resources import RESOURCE_PERIOD
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.series import Series
from tests.unit.build import FakeClock, a_check, a_gossip
from tests.web.fake_fleet import FakeFleet

__all__ = ["DemoFleet"]


@dataclass(frozen=True)
class Job:
    """A task name with its rate per second and worker, its durations and its failures."""

    queue: str
    name: str
    rate: float
    seconds: float  #: median runtime
    wait: float = 0.02  #: median seconds until it starts
    failures: Mapping[str, float] = field(default_factory=dict)  #: `{exception: share}`
    failure_growth: float = 0.0  #: by which its failures grow in the last four minutes


@dataclass(frozen=True)
class Plan:
    """The configuration of a worker."""

    hostname: str
    pool: str
    slots: int
    queues: tuple[str, ...]
    paused: tuple[str, ...] = ()
    stops_reporting: float = -math.inf  #: seconds before the picture
    stalls: float = 0.0  #: seconds before the picture
    restarts: float = -math.inf  #: seconds before the picture
    former: str = ""  #: release before that; the same if empty


JOBS = (
    Job("orders", "shop.orders.place", 6.0, 0.09, failures={"OutOfStock": 0.004}),
    Job("orders", "shop.orders.confirm", 5.0, 0.05),
    Job(
        "payments",
        "shop.payments.charge",
        2.2,
        0.6,
        failures={"CardDeclined": 0.012, "GatewayTimeout": 0.004},
        failure_growth=40.0,
    ),
    Job("payments", "shop.payments.refund", 0.2, 0.8, failures={"CardDeclined": 0.01}),
    Job("emails", "shop.emails.send", 9.0, 0.25, failures={"SMTPServerDisconnected": 0.01}),
    Job("webhooks", "shop.webhooks.deliver", 7.0, 0.4, failures={"ConnectTimeout": 0.03, "HTTPStatusError": 0.012}),
    Job("thumbnails", "shop.media.thumbnail", 2.4, 1.6, wait=3.0, failures={"UnidentifiedImageError": 0.006}),
    Job("reports", "shop.reports.sales", 0.02, 70.0, wait=1.2),
    Job("imports", "shop.imports.catalogue", 0.04, 24.0, wait=0.8, failures={"ParseError": 0.05}),
    Job("search-index", "shop.search.reindex", 1.4, 1.4, failures={"TransportError": 0.008}),
)
PLANS = (
    *(
        Plan(
            f"orders@fra-{number}", "prefork", 8, ("orders", "payments"), restarts=300 - 8 * number, former="2026.11.1"
        )
        for number in range(1, 5)
    ),
    *(Plan(f"mail@fra-{number}", "gevent", 50, ("emails", "webhooks")) for number in range(1, 4)),
    Plan("media@fra-1", "prefork", 8, ("thumbnails",)),
    Plan("media@fra-2", "prefork", 8, ("thumbnails",), restarts=130.0),
    Plan("media@fra-3", "prefork", 8, ("thumbnails",), paused=("thumbnails",)),
    Plan("reports@fra-1", "threads", 6, ("reports", "imports"), stalls=41.0),
    Plan("reports@fra-2", "threads", 6, ("reports", "imports")),
    Plan("search@fra-1", "prefork", 4, ("search-index",), stops_reporting=95.0),
    Plan("search@ber-1", "prefork", 4, ("search-index",)),
)
NAMES = tuple(
    sorted((*(job.name for job in JOBS), "shop.cleanup.carts", "shop.cleanup.sessions", "shop.orders.export"))
)
SETTINGS = (
    Setting("accept_content", "json"),
    Setting("broker transport", "redis"),
    Setting("broker_pool_limit", 10),
    Setting("enable_utc", True),
    Setting("result backend", "db+postgresql"),
    Setting("result_expires", 86400.0),
    Setting("task_default_rate_limit", "100/m"),
    Setting("timezone", "Europe/Berlin"),
)
SOFTWARE = Software(  #: of every worker
    release="2026.11.2",
    celery="5.7.0",
    kombu="5.7.0",
    python="3.13.0",
    gossip="0.1.0",
    registry=registry_digest(NAMES),
    tasks=len(NAMES),
    settings=Settings(
        task_acks_late=False, task_track_started=True, worker_prefetch_multiplier=4, visibility_timeout=3600.0
    ),
)
STACK = (  #: of the stalled worker: a signal receiver that looks up a name
    "socket:getaddrinfo:962",
    "urllib3.util.connection:create_connection:60",
    "urllib3.connectionpool:HTTPConnectionPool.urlopen:787",
    "requests.adapters:HTTPAdapter.send:667",
    "shop.signals:notify_warehouse:41",
    "celery.utils.dispatch.signal:Signal.send:276",
    "celery.worker.consumer.consumer:Consumer.start:337",
)
BACKLOGS = {"thumbnails": 1284, "payments": 3, "reports": 2}
PAST = 1200  #: seconds
GROWTH_SECONDS = 240.0  #: seconds
INTERVAL = 1.0
SPREAD = 0.7  #: of the logarithms of waits and runtimes
MIB = 1 << 20


class DemoFleet(FakeFleet):
    """A fleet that reports on advance()."""

    def __init__(self, now: float, offset: float, seed: int = 7) -> None:
        """`now`: monotonic seconds of the picture; `offset` converts them to Unix seconds."""
        super().__init__(now - PAST)
        self.uri = "redis://redis.shop.example:6379/0"
        self._picture_at = now
        self._diagnosis = Diagnosis()
        self._random = Random(seed)
        self._workers = [_Worker(plan, self.clock, offset, self._random) for plan in PLANS]

    def advance(self) -> None:
        """Advance by one interval, in which every worker reports unless it has stopped."""
        self.clock.advance(INTERVAL)
        now = self.clock.now
        left = self._picture_at - now
        for worker in self._workers:
            if left >= worker.plan.stops_reporting:
                self.cluster.apply_gossip(worker.report(left), now)
        waiting = {name: round(count * (0.4 + 0.6 * (1 - max(left, 0) / PAST))) for name, count in BACKLOGS.items()}
        queues = {name for share in self.cluster.queue_shares() for name in share.queues}
        self.cluster.set_queue_lengths({name: waiting.get(name, 0) for name in queues}, now)
        self.cluster.expire_silent_workers(now)
        rule_input = RuleInput(
            view=self.view(), listening_for=PAST, throughput=self.cluster.statistics.windows_by_queue()
        )
        self._diagnosis.evaluate(rule_input, now)
        self.findings = self._diagnosis.findings


@dataclass(frozen=True)
class _Run:
    """A running task and its outcome."""

    id: str
    job: Job
    series: Series
    began_at: float
    seconds: float
    kind: str  #: exception class; empty if it succeeds

    @property
    def ends_at(self) -> float:
        return self.began_at + self.seconds

    def end(self) -> None:
        self.series.count_ended("failed" if self.kind else "succeeded", self.seconds, self.kind)


class _Waiting:
    """Tasks that wait in a worker: those that fill its slots next, and some that are to be sent later."""

    def __init__(self, plan: Plan, clock: FakeClock) -> None:
        self._clock = clock
        self._random = Random(plan.hostname)  # of its own, so that all other figures stay as they are
        self._reserved: list[tuple[str, float]] = []
        later = 3 if "payments" in plan.queues else 0
        self._later = [(self._id(), clock.now + PAST + 240.0 + 700.0 * number) for number in range(later)]

    @property
    def scheduled(self) -> int:
        return len(self._later)

    def listed(self, jobs: list[Job], reserved: int) -> tuple[WaitingTask, ...]:
        """Return the tasks that wait while this number is reserved."""
        now = self._clock.now
        self._reserved = self._reserved[-reserved:] if reserved else []
        if len(self._reserved) == reserved and reserved:
            del self._reserved[: self._random.randrange(3)]
        self._reserved += [(self._id(), now) for _ in range(reserved - len(self._reserved))]
        waiting = [
            self._task(jobs[at % len(jobs)], task_id, "reserved", now - since)
            for at, (task_id, since) in enumerate(self._reserved)
            if since < now
        ]
        later = [
            self._task(JOBS[3], task_id, "scheduled", 1500.0 - 100 * at, max(0.0, due_at - now))
            for at, (task_id, due_at) in enumerate(self._later)
        ]
        return (*waiting[:60], *later)

    def _task(
        self, job: Job, task_id: str, state: WaitingState, age: float, due_in: float | None = None
    ) -> WaitingTask:
        at = JOBS.index(job)
        return WaitingTask(task_id, at, at + len(JOBS), state, age, 0, due_in)

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


class _Worker:
    """One worker with its own Meter."""

    def __init__(self, plan: Plan, clock: FakeClock, offset: float, random: Random) -> None:
        self.plan = plan
        self._offset = offset
        self._clock = clock
        self._random = random
        self._meter = Meter(clock=clock)
        self._boot = f"{random.getrandbits(64):016x}"
        self._jobs = [job for job in JOBS if job.queue in plan.queues and job.queue not in plan.paused]
        self._running: list[_Run] = []
        self._waiting = _Waiting(plan, clock)
        self._seq = self._processed = 0
        self._cpu, self._restarts = 4.0, plan.restarts
        self._started_at = clock.now
        self._software = replace(SOFTWARE, release=plan.former) if plan.former else SOFTWARE

    def report(self, left: float) -> Gossip:
        """Return the next report, `left` seconds before the picture."""
        if left <= self._restarts:
            self._restart()
        stalled_for = max(0.0, self.plan.stalls - left) if self.plan.stalls else 0.0
        if not stalled_for:
            self._work(left)
        is_leaving = self._restarts < left <= self._restarts + INTERVAL
        if is_leaving:
            self._running = []
        delta = self._meter.collect()
        self._meter.commit(len(delta.series))
        self._seq += 1
        checks = tuple(self._check(queue) for queue in self.plan.queues)
        reserved = sum(check.reserved for check in checks)
        waiting = self._waiting.listed(self._jobs, reserved)
        return a_gossip(
            hostname=self.plan.hostname,
            boot=self._boot,
            seq=self._seq,
            pool=self.plan.pool,
            concurrency=self.plan.slots,
            state="offline" if is_leaving else "online",
            stalled_for=stalled_for,
            stack=STACK if stalled_for >= 5.0 else (),
            loop_lag=0.0004 + 0.002 * self._random.random(),
            active=len(self._running),
            reserved=reserved,
            scheduled=self._waiting.scheduled,
            waiting=waiting,
            processed=self._processed,
            checks=checks,
            names=(*(job.name for job in JOBS), *(job.queue for job in JOBS)),
            series=delta.series,
            software=self._software,
            resources=self._resources() if self._seq % RESOURCE_PERIOD == 1 else None,
            profile=self._profile() if self._seq % 60 == 1 else None,
        )

    def _profile(self) -> Profile:
        age = 3 * 86_400 + self._seq
        names = TaskNames(SOFTWARE.registry, len(NAMES), 0, NAMES)
        return Profile(pid=17 + len(self.plan.hostname), age=float(age), settings=SETTINGS, tasks=names)

    def _restart(self) -> None:
        self._meter, self._running = Meter(clock=self._clock), []
        self._boot = f"{self._random.getrandbits(64):016x}"
        self._seq = self._processed = 0
        self._cpu, self._restarts = 4.0, -math.inf
        self._started_at, self._software = self._clock.now, SOFTWARE

    def _resources(self) -> Resources:
        """Return resources that grow with the age of the worker and with its running tasks."""
        age, busy = self._clock.now - self._started_at, len(self._running)
        self._cpu += RESOURCE_PERIOD * INTERVAL * (0.05 + 0.12 * busy * self._random.uniform(0.7, 1.3))
        children = None if self.plan.pool != "prefork" else round((48 * self.plan.slots + 9 * busy) * MIB)
        main = round((74 + age / 60 + (0 if children else 4 * busy)) * MIB)
        used = main + (children or 0) * 3 // 4
        return Resources(main, children, 61 * MIB, self._cpu, 1024 * MIB, used)

    def _check(self, queue: str) -> QueueCheck:
        runs = [run for run in self._running if run.job.queue == queue]
        details = tuple(RunningTask(JOBS.index(run.job), round(self._clock.now - run.began_at, 1)) for run in runs)
        is_paused = queue in self.plan.paused
        full = len(self._running) >= self.plan.slots and not is_paused
        return a_check(
            queue,
            paused=is_paused,
            active=tuple(run.id for run in runs),
            active_count=len(runs),
            tasks=details,
            reserved=self.plan.slots * 3 if full else 0,
            started_at=self._started_at + self._offset,
        )

    def _work(self, left: float) -> None:
        now = self._clock.now
        for run in self._running:
            if run.ends_at <= now:
                run.end()
        self._running = [run for run in self._running if run.ends_at > now]
        for job in self._jobs:
            load = 1.1 - 0.3 * math.sin(left / 170) + 0.1 * math.sin(left / 23)
            for _ in range(self._poisson(job.rate * load)):
                if len(self._running) < self.plan.slots:
                    self._begin(job, left, now)

    def _begin(self, job: Job, left: float, now: float) -> None:
        series = self._meter.get_series(job.queue, job.name)
        series.count_received()
        series.count_started(self._spread(job.wait))
        self._processed += 1
        seconds = self._spread(job.seconds)
        begun_at = now - self._random.random() * INTERVAL
        run = _Run(str(self._uuid()), job, series, begun_at, seconds, self._outcome(job, left))
        if run.ends_at > now:
            self._running.append(run)
        else:
            run.end()

    def _outcome(self, job: Job, left: float) -> str:
        """Return the exception class that ends the task; empty for none."""
        growth = 1 + job.failure_growth * max(0.0, 1 - left / GROWTH_SECONDS)
        shares = [share * (growth if number else 1.0) for number, share in enumerate(job.failures.values())]
        success = max(0.0, 1 - sum(shares))
        return self._random.choices([*job.failures, ""], [*shares, success])[0]

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _spread(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, SPREAD)

    def _poisson(self, mean: float) -> int:
        count, at = 0, self._random.expovariate(1.0)
        while at < mean:
            count, at = count + 1, at + self._random.expovariate(1.0)
        return count
