"""A shop's fleet for pictures of the dashboard: twenty minutes of it pass at once, then it goes on as the clock does.

Every worker counts with a Meter, as a real one does, and the findings are those of the real diagnosis.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from celery_gossip.diagnosis import Diagnosis
from celery_gossip.evidence import Evidence
from celery_gossip.messages import Gossip, QueueCheck
from celery_gossip.metrics import Meter, Series
from tests.unit.build import FakeClock, a_check, a_gossip
from tests.web.scene import Fleet

__all__ = ["Shop"]


@dataclass(frozen=True)
class Job:
    """A task by name: how many each worker starts a second, and how they fare."""

    queue: str
    name: str
    rate: float
    seconds: float  #: median runtime
    wait: float = 0.02  #: median seconds before it runs
    kinds: Mapping[str, float] = field(default_factory=dict)  #: `{exception: share}`
    grows: float = 0.0  #: by how much its failures have grown in the latest four minutes


@dataclass(frozen=True)
class Plan:
    """What a worker is."""

    hostname: str
    pool: str
    slots: int
    queues: tuple[str, ...]
    paused: tuple[str, ...] = ()
    falls_silent: float = -math.inf  #: seconds before the picture
    stalls: float = 0.0  #: seconds before the picture


JOBS = (
    Job("orders", "shop.orders.place", 6.0, 0.09, kinds={"OutOfStock": 0.004}),
    Job("orders", "shop.orders.confirm", 5.0, 0.05),
    Job(
        "payments", "shop.payments.charge", 2.2, 0.6, kinds={"CardDeclined": 0.012, "GatewayTimeout": 0.004}, grows=40.0
    ),
    Job("payments", "shop.payments.refund", 0.2, 0.8, kinds={"CardDeclined": 0.01}),
    Job("emails", "shop.emails.send", 9.0, 0.25, kinds={"SMTPServerDisconnected": 0.01}),
    Job("webhooks", "shop.webhooks.deliver", 7.0, 0.4, kinds={"ConnectTimeout": 0.03, "HTTPStatusError": 0.012}),
    Job("thumbnails", "shop.media.thumbnail", 2.4, 1.6, wait=3.0, kinds={"UnidentifiedImageError": 0.006}),
    Job("reports", "shop.reports.sales", 0.02, 70.0, wait=1.2),
    Job("imports", "shop.imports.catalogue", 0.04, 24.0, wait=0.8, kinds={"ParseError": 0.05}),
    Job("search-index", "shop.search.reindex", 1.4, 1.4, kinds={"TransportError": 0.008}),
)
PLANS = (
    *(Plan(f"orders@fra-{number}", "prefork", 8, ("orders", "payments")) for number in range(1, 5)),
    *(Plan(f"mail@fra-{number}", "gevent", 50, ("emails", "webhooks")) for number in range(1, 4)),
    Plan("media@fra-1", "prefork", 8, ("thumbnails",)),
    Plan("media@fra-2", "prefork", 8, ("thumbnails",)),
    Plan("media@fra-3", "prefork", 8, ("thumbnails",), paused=("thumbnails",)),
    Plan("reports@fra-1", "threads", 6, ("reports", "imports"), stalls=41.0),
    Plan("reports@fra-2", "threads", 6, ("reports", "imports")),
    Plan("search@fra-1", "prefork", 4, ("search-index",), falls_silent=95.0),
    Plan("search@ber-1", "prefork", 4, ("search-index",)),
)
BACKLOGS = {"thumbnails": 1284, "payments": 3, "reports": 2}
PAST = 1200  #: seconds
GROWS_FOR = 240.0  #: seconds
INTERVAL = 1.0
SPREAD = 0.7  #: of the logarithms of waits and runtimes


class Shop(Fleet):
    """A fleet that speaks by itself; advance() it."""

    def __init__(self, now: float, offset: float, seed: int = 7) -> None:
        """`now`: monotonic seconds of the picture; `offset` makes them those of the calendar."""
        super().__init__(now - PAST)
        self.uri = "redis://redis.shop.example:6379/0"
        self._picture_at = now
        self._diagnosis = Diagnosis()
        self._random = Random(seed)
        self._workers = [_Worker(plan, self.clock, offset, self._random) for plan in PLANS]

    def advance(self) -> None:
        """By an interval, in which everybody speaks who is not silent."""
        self.clock.advance(INTERVAL)
        now = self.clock.now
        left = self._picture_at - now
        for worker in self._workers:
            if left >= worker.plan.falls_silent:
                self.cluster.apply(worker.say(left), now)
        waiting = {name: round(count * (0.4 + 0.6 * (1 - max(left, 0) / PAST))) for name, count in BACKLOGS.items()}
        queues = self.cluster.queue_names()
        self.cluster.note_backlogs({name: waiting.get(name, 0) for name in queues}, now)
        self.cluster.expire(now)
        evidence = Evidence(view=self.view(), listening_for=PAST, trends=self.cluster.trends())
        self._diagnosis.review(evidence, now)
        self.findings = self._diagnosis.findings


@dataclass(frozen=True)
class _Run:
    """A task that runs, and what will become of it."""

    id: str
    job: Job
    series: Series
    seconds: float
    ends_at: float
    kind: str  #: the exception by which it fails; none if it succeeds

    def end(self) -> None:
        self.series.end("failed" if self.kind else "succeeded", self.seconds, self.kind)


class _Worker:
    """One worker, with its own Meter."""

    def __init__(self, plan: Plan, clock: FakeClock, offset: float, random: Random) -> None:
        self.plan = plan
        self._offset = offset
        self._clock = clock
        self._random = random
        self._meter = Meter(clock=clock)
        self._boot = f"{random.getrandbits(64):016x}"
        self._jobs = [job for job in JOBS if job.queue in plan.queues and job.queue not in plan.paused]
        self._running: list[_Run] = []
        self._seq = self._processed = 0
        self._started_at = clock.now

    def say(self, left: float) -> Gossip:
        """`left`: seconds until the picture."""
        stalled_for = max(0.0, self.plan.stalls - left) if self.plan.stalls else 0.0
        if not stalled_for:
            self._work(left)
        telling = self._meter.tell()
        self._meter.commit(len(telling.series))
        self._seq += 1
        checks = tuple(self._check(queue) for queue in self.plan.queues)
        return a_gossip(
            hostname=self.plan.hostname,
            boot=self._boot,
            seq=self._seq,
            pool=self.plan.pool,
            concurrency=self.plan.slots,
            state="online",
            stalled_for=stalled_for,
            loop_lag=0.0004 + 0.002 * self._random.random(),
            active=len(self._running),
            reserved=sum(check.reserved for check in checks),
            processed=self._processed,
            checks=checks,
            series=telling.series,
        )

    def _check(self, queue: str) -> QueueCheck:
        ids = tuple(run.id for run in self._running if run.job.queue == queue)
        is_paused = queue in self.plan.paused
        full = len(self._running) >= self.plan.slots and not is_paused
        return a_check(
            queue,
            paused=is_paused,
            active=ids,
            active_count=len(ids),
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
            swell = 1.1 - 0.3 * math.sin(left / 170) + 0.1 * math.sin(left / 23)
            for _ in range(self._poisson(job.rate * swell)):
                if len(self._running) < self.plan.slots:
                    self._begin(job, left, now)

    def _begin(self, job: Job, left: float, now: float) -> None:
        series = self._meter.series_of(job.queue, job.name)
        series.receive()
        series.start(self._spread(job.wait))
        self._processed += 1
        seconds = self._spread(job.seconds)
        begun_at = now - self._random.random() * INTERVAL
        run = _Run(str(self._uuid()), job, series, seconds, begun_at + seconds, self._fate(job, left))
        if run.ends_at > now:
            self._running.append(run)
        else:
            run.end()

    def _fate(self, job: Job, left: float) -> str:
        """The exception by which it ends, if any."""
        grown = 1 + job.grows * max(0.0, 1 - left / GROWS_FOR)
        shares = [share * (grown if number else 1.0) for number, share in enumerate(job.kinds.values())]
        nothing = max(0.0, 1 - sum(shares))
        return self._random.choices([*job.kinds, ""], [*shares, nothing])[0]

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _spread(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, SPREAD)

    def _poisson(self, mean: float) -> int:
        count, at = 0, self._random.expovariate(1.0)
        while at < mean:
            count, at = count + 1, at + self._random.expovariate(1.0)
        return count
