"""Verdict: why a worker was probably lost, from its last reports and from what else was lost with it. Pure.

Each sentence contains its evidence. "Probably" is said only if the evidence leads there: a worker cannot report its own
end, and most causes look the same from outside.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from celery_gossip.cluster.recording import Recording, Sample
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.units import format_bytes, format_duration, join_names
from celery_gossip.wire.messages import Gossip

__all__ = ["NO_CAUSE", "Losses"]

NO_CAUSE = "Its last reports show no cause."
_MAX_SENTENCES = 2
_MAX_LISTED = 5  #: hostnames

# Memory.
_MIN_RISE = 0.1  #: share of the limit by which memory must have risen within the recording
_MIN_SHARE = 0.5  #: share of the limit that the last report must show
_PROJECTED = 0.95  #: share of the limit that memory would have reached by the next report
_HIGH = 0.95  #: share of the limit that is worth a sentence although memory did not rise
_MIN_UNLIMITED_RISE = 256 * 2**20  #: bytes
_UNLIMITED_FACTOR = 2.0  #: by which memory must have risen if no limit is known

_MIN_STALL = 5.0  #: seconds
_MIN_SHUTDOWN = 5.0  #: seconds
_TOGETHER = 5.0  #: seconds between two last reports of workers that were lost together, besides two intervals
#: `{seconds: who kills a process so long after SIGTERM, unless set otherwise}`
_GRACE_PERIODS = {10: "Docker", 30: "Kubernetes", 90: "systemd"}


@dataclass(frozen=True)
class Loss:
    """The end of an instance that did not report its shutdown."""

    gossip: Gossip  #: its last report
    at: float  #: time of its last report, on the listener's monotonic clock
    recording: Recording

    @property
    def host(self) -> str:
        """Part of the hostname after the last `@`."""
        return _host_of(self.gossip)


class Losses:
    """The losses that a view shows: of lost workers, and of instances that were replaced by another."""

    def __init__(self, view: View) -> None:
        self._by_boot: dict[str, Loss] = {}
        self._silent: dict[str, list[Loss]] = {}  #: by host: losses, and suspect workers, which may become losses
        self._view = view
        for worker in view.workers:
            loss = _loss_of(worker)
            if loss is not None:
                self._silent.setdefault(loss.host, []).append(loss)
                if worker.state != "suspect":
                    self._by_boot[loss.gossip.boot] = loss

    def of(self, gossip: Gossip) -> Loss | None:
        """Return the loss of the instance of this report."""
        return self._by_boot.get(gossip.boot)

    def explain(self, gossip: Gossip) -> str:
        """Return one or two sentences on why the instance of this report was lost; NO_CAUSE if there is no evidence."""
        loss = self.of(gossip)
        if loss is None:
            return NO_CAUSE
        sentences = (
            _shutdown(loss.gossip),
            _memory(loss),
            self._shared_host(loss),
            _stall(loss.gossip),
            _lost_processes(loss.recording.samples),
        )
        return " ".join([sentence for sentence in sentences if sentence][:_MAX_SENTENCES]) or NO_CAUSE

    def explain_all(self, gossips: Sequence[Gossip]) -> str:
        """Return what the losses of these instances have in common; NO_CAUSE if there is no evidence."""
        losses = [loss for loss in map(self.of, gossips) if loss is not None]
        if len({loss.host for loss in losses}) == 1:
            return self._shared_host(losses[0]) or NO_CAUSE
        return NO_CAUSE

    def _shared_host(self, loss: Loss) -> str:
        """Return a sentence if others on its host were lost together with it, and none there goes on."""
        tolerance = _TOGETHER + 2 * loss.gossip.interval
        together = [one for one in self._silent[loss.host] if abs(one.at - loss.at) <= tolerance]
        names = dict.fromkeys(one.gossip.hostname for one in together)
        names.pop(loss.gossip.hostname)
        boots = {one.gossip.boot for one in together}
        if not names or any(_is_apart(worker, loss, boots) for worker in self._workers_by_host[loss.host]):
            return ""
        seconds = max(one.at for one in together) - min(one.at for one in together)
        return (
            f"All {1 + len(names)} workers of the host {loss.host} stopped reporting within {max(1.0, seconds):.0f} s "
            f"(with it {join_names(list(names), _MAX_LISTED)}): the host or its network probably failed."
        )

    @cached_property
    def _workers_by_host(self) -> dict[str, list[WorkerView]]:
        workers: dict[str, list[WorkerView]] = {}
        for worker in self._view.workers:
            workers.setdefault(_host_of(worker.gossip), []).append(worker)
        return workers


def _host_of(gossip: Gossip) -> str:
    """Return the part of the hostname after the last `@`."""
    return gossip.hostname.rpartition("@")[2]


def _loss_of(worker: WorkerView) -> Loss | None:
    if worker.state in ("lost", "suspect"):
        return Loss(worker.gossip, worker.heard_at, worker.recording)
    replaced, samples = worker.replaced, worker.replaced_recording.samples
    if replaced is None or replaced.state == "offline" or not samples:
        return None
    return Loss(replaced, samples[-1].at, worker.replaced_recording)


def _is_apart(worker: WorkerView, loss: Loss, together: Container[str]) -> bool:
    """Return True if this worker of the same host reported before the loss, and is not one of those lost with it."""
    samples = worker.recording.samples
    has_reported = bool(samples) and samples[0].at <= loss.at
    return has_reported and not worker.is_gone and worker.gossip.boot not in together


def _shutdown(last: Gossip) -> str:
    started_at = next((check.shutdown_started_at for check in last.checks if check.shutdown_started_at), None)
    if last.state != "draining" or started_at is None:
        return ""
    seconds = max(0.0, last.sent_at - started_at)
    if seconds < _MIN_SHUTDOWN:  # few give a worker so little time
        return f"It had been shutting down for {format_duration(seconds)}: it may have been killed for taking too long."
    by = next((who for at, who in _GRACE_PERIODS.items() if -1.0 <= at - seconds <= 1.0 + 2 * last.interval), None)
    default = f" (the default of {by})" if by else ""
    return (
        f"It had been shutting down for {format_duration(seconds)}, and was probably killed because the time for that "
        f"was over{default}: allow more time than its tasks take."
    )


def _memory(loss: Loss) -> str:
    """Return what its last reports say about memory, compared with the limit of its cgroup."""
    samples, limit = loss.recording.samples, loss.recording.memory_limit
    used = [(sample.at, sample.memory_used) for sample in samples if sample.memory_used is not None]
    if limit and used:
        return _limited_memory(used, limit, loss.at, loss.gossip.interval)
    resident = [(sample.at, sample.rss) for sample in samples if sample.rss is not None]
    return "" if limit or not resident else _unlimited_memory(resident)


def _limited_memory(used: list[tuple[float, int]], limit: int, silent_at: float, interval: float) -> str:
    (low_at, low), (last_at, last) = _lowest(used), used[-1]
    # Between the last reading and the report that did not come, it may have risen as fast as it ever did.
    projected = last + _fastest_rise(used) * (silent_at - last_at + 2 * interval)
    if last - low >= _MIN_RISE * limit and last >= _MIN_SHARE * limit and projected >= _PROJECTED * limit:
        return (
            f"Its memory rose from {format_bytes(low)} to {format_bytes(last)} of {format_bytes(limit)} in "
            f"{format_duration(last_at - low_at)}: it was probably killed for memory."
        )
    if last >= _HIGH * limit:
        return (
            f"Its memory was at {format_bytes(last)} of {format_bytes(limit)}, without rising: look in the kernel's "
            "log whether it was killed for memory."
        )
    return ""


def _unlimited_memory(resident: list[tuple[float, int]]) -> str:
    (low_at, low), (last_at, last) = _lowest(resident), resident[-1]
    if last - low < _MIN_UNLIMITED_RISE or last < _UNLIMITED_FACTOR * low:
        return ""
    return (
        f"Its memory rose from {format_bytes(low)} to {format_bytes(last)} in {format_duration(last_at - low_at)}, and "
        "no limit of it is known: look whether its host was short of memory."
    )


def _lowest(values: list[tuple[float, int]]) -> tuple[float, int]:
    """Return the lowest value, of equal ones the last."""
    return min(reversed(values), key=lambda one: one[1])


def _fastest_rise(values: list[tuple[float, int]]) -> float:
    """Return the largest rise between two neighbours, in bytes per second; at least 0."""
    rises = (float(b - a) / (until - since) for (since, a), (until, b) in pairwise(values) if until > since)
    return max((0.0, *rises))


def _stall(last: Gossip) -> str:
    if last.stalled_for < _MIN_STALL or (last.pool == "solo" and last.active):  # a solo pool runs tasks on its loop
        return ""
    return (
        f"Its event loop had been blocked for {format_duration(last.stalled_for)} before: it may have been killed for "
        "that, by a liveness probe or by hand."
    )


def _lost_processes(samples: Iterable[Sample]) -> str:
    known = list(_known_losses(samples))
    lost = known[-1] - known[0] if known else 0
    if lost <= 0:
        return ""
    noun = "process" if lost == 1 else "processes"
    return f"Its pool had lost {lost} {noun} within its last reports: see the worker's log."


def _known_losses(samples: Iterable[Sample]) -> Iterator[int]:
    for sample in samples:
        if sample.lost is not None:
            yield sample.lost
