"""Task counts of synthetic workers: each has a Meter, as a real worker has, and tasks that fill it. Pure."""

from random import Random

from celery_gossip.worker.metrics import Meter, MetricsDelta
from celery_gossip.worker.series import Series

__all__ = ["Counts"]

_FATES = ("succeeded",) * 97 + ("failed", "failed", "retried")
_KINDS = ("ValueError", "TimeoutError", "ConnectionError")
_SPREAD = (
    0.8  #: standard deviation of the logarithms of waits and runtimes: a factor of ten between short and long ones
)


class Counts:
    """Tasks of one instance, with names from `tasks` and queues from `queues`; without tasks nothing is reported."""

    def __init__(self, queues: list[str], tasks: list[str], random: Random) -> None:
        self._now = 0.0
        self._random = random
        self._meter = Meter(clock=self._clock)
        self._names = [[(queue, task) for task in tasks] for queue in queues]

    def begin(self, queue: int) -> None:
        """Receive and start a task of this queue, given by its number."""
        if self._names[queue]:
            series = self._one_of(queue)
            series.count_received()
            series.count_started(self._seconds(0.05))

    def end(self, queue: int) -> None:
        """End a task of this queue."""
        if self._names[queue]:
            self._end(self._one_of(queue), 2.0)

    def run(self, count: float) -> int:
        """Run so many short tasks on average, from start to end; return their number."""
        whole = int(count + self._random.random()) if count else 0
        for _ in range(whole if self._names[0] else 0):
            series = self._one_of(self._random.randrange(len(self._names)))
            series.count_received()
            series.count_started(self._seconds(0.01))
            self._end(series, 0.1)
        return whole

    def collect(self, now: float) -> MetricsDelta:
        """Return the series of a report at this moment, and treat it as sent."""
        self._now = now
        telling = self._meter.collect()
        self._meter.commit(len(telling.series))
        return telling

    def _end(self, series: Series, median: float) -> None:
        fate = self._random.choice(_FATES)
        kind = self._random.choice(_KINDS) if fate == "failed" else ""
        series.count_ended(fate, self._seconds(median), kind)

    def _one_of(self, queue: int) -> Series:
        return self._meter.get_series(*self._random.choice(self._names[queue]))

    def _seconds(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, _SPREAD)

    def _clock(self) -> float:
        return self._now
