"""What the workers of a synthetic fleet count: each has a Meter, as a real one has, and tasks that fill it. Pure."""

from random import Random

from celery_gossip.metrics import Meter, Series, Telling

__all__ = ["Counts"]

_FATES = ("succeeded",) * 97 + ("failed", "failed", "retried")
_KINDS = ("ValueError", "TimeoutError", "ConnectionError")
_SPREAD = 0.8  #: of the logarithms of waits and runtimes: a factor of ten between the short and the long ones


class Counts:
    """The tasks of one boot, each of one of `tasks` from one of `queues`; nothing is told where there is no task."""

    def __init__(self, queues: list[str], tasks: list[str], random: Random) -> None:
        self._now = 0.0
        self._random = random
        self._meter = Meter(clock=self._clock)
        self._names = [[(queue, task) for task in tasks] for queue in queues]

    def begin(self, queue: int) -> None:
        """A task of this queue, by its number, is received and starts."""
        if self._names[queue]:
            series = self._one_of(queue)
            series.receive()
            series.start(self._seconds(0.05))

    def end(self, queue: int) -> None:
        """A task of this queue ends."""
        if self._names[queue]:
            self._end(self._one_of(queue), 2.0)

    def run(self, count: float) -> int:
        """So many short tasks on average, from their beginning to their end; gives how many it were."""
        whole = int(count + self._random.random()) if count else 0
        for _ in range(whole if self._names[0] else 0):
            series = self._one_of(self._random.randrange(len(self._names)))
            series.receive()
            series.start(self._seconds(0.01))
            self._end(series, 0.1)
        return whole

    def tell(self, now: float) -> Telling:
        """What the gossip of this moment says; it is taken as sent."""
        self._now = now
        telling = self._meter.tell()
        self._meter.commit(len(telling.series))
        return telling

    def _end(self, series: Series, median: float) -> None:
        fate = self._random.choice(_FATES)
        kind = self._random.choice(_KINDS) if fate == "failed" else ""
        series.end(fate, self._seconds(median), kind)

    def _one_of(self, queue: int) -> Series:
        return self._meter.series_of(*self._random.choice(self._names[queue]))

    def _seconds(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, _SPREAD)

    def _clock(self) -> float:
        return self._now
