"""Rules about memory and about the processes of a pool. Pure. Called through rules.py."""

from collections.abc import Iterator

from celery_gossip.cluster.recording import Sample
from celery_gossip.cluster.view import WorkerView
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.memory_growth import Growth, find_growth
from celery_gossip.units import format_bytes, format_duration
from celery_gossip.wire.messages import Resources
from celery_gossip.wire.resources import RESOURCE_PERIOD

__all__ = ["memory_climbs", "near_memory_limit", "pool_thrashes"]

_LOSS_SECONDS = 60.0
_NEAR_LIMIT_FOR = 30.0  #: seconds
#: Numbers of signals on Linux; this module may run elsewhere.
_SIGNALS = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL"}
_SIGNALS |= {11: "SIGSEGV", 24: "SIGXCPU", 31: "SIGSYS"}
_CRASHES = frozenset({"SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"})
_MAX_FORECAST = 7 * 86_400.0  #: seconds; later than that the limit is not mentioned


def pool_thrashes(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report pools whose processes are killed or crash again and again."""
    for worker, resources in _reporting(inputs):
        processes, hostname = resources.processes, worker.gossip.hostname
        limit = inputs.settings.of(hostname).thresholds.lost_processes
        if processes is None or processes.lost < limit or worker.gossip.state != "online":
            continue
        seconds = max(_LOSS_SECONDS, 2 * RESOURCE_PERIOD * worker.gossip.interval)
        lost = _lost_within(worker.recording.samples, seconds + RESOURCE_PERIOD * worker.gossip.interval)
        if lost >= limit * seconds / _LOSS_SECONDS:
            text = (
                f"{hostname} lost {lost} processes of its pool in the last {format_duration(seconds)}. The last one "
                f"{_describe_loss(processes.last_loss, resources)}. The task that such a process runs is lost or fails "
                "with WorkerLostError: search the worker's log for `exited with`, and find the task that all of them "
                "ran."
            )
            yield PendingFinding("pool_thrashes", CRITICAL, hostname, text)


def near_memory_limit(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers whose cgroup uses nearly all the memory that it may use."""
    for worker, resources in _reporting(inputs):
        used, limit, hostname = resources.memory_used, resources.memory_limit, worker.gossip.hostname
        if not used or not limit or used < inputs.settings.of(hostname).thresholds.memory_share * limit:
            continue
        text = (
            f"{hostname} uses {_share_of_limit(used, limit)} of its container (cgroup), without caches of files: when "
            f"nothing is left, the kernel kills a process. {_breakdown(resources)}Raise the limit, lower the "
            "concurrency, or replace the processes earlier (`worker_max_memory_per_child`, "
            "`worker_max_tasks_per_child`)."
        )
        yield PendingFinding("near_memory_limit", WARNING, hostname, text, for_seconds=_NEAR_LIMIT_FOR)


def memory_climbs(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers whose memory has risen steadily for an hour or more."""
    for worker, resources in _reporting(inputs):
        if not worker.recording.packed_floors:
            continue
        hostname, processes = worker.gossip.hostname, resources.processes
        growths = find_growth(worker.recording, inputs.settings.of(hostname).thresholds.climb_share)
        if processes is not None and processes.recycled:  # they are replaced before they grow too large
            growths = tuple(growth for growth in growths if growth.part == "main")
        if growths:
            what = " and ".join(_describe_growth(growth) for growth in growths)
            fix = (
                "Find what tasks keep, or let processes be replaced: `worker_max_tasks_per_child`, "
                "`worker_max_memory_per_child`."
                if any(growth.part == "child" for growth in growths)
                else "What its main process keeps is only freed by a restart; in a pool without processes, find what "
                "tasks keep."
            )
            text = f"The memory of {hostname} rises steadily: {what}.{_forecast(growths, resources)} {fix}"
            yield PendingFinding("memory_climbs", WARNING, hostname, text)


def _reporting(inputs: RuleInput) -> Iterator[tuple[WorkerView, Resources]]:
    """Yield workers that report, with their resources, if these are not older than three of their periods."""
    for worker in inputs.view.workers:
        resources, age = worker.resources, worker.resources_age
        if resources is None or age is None or worker.is_gone or worker.state == "suspect":
            continue
        if age <= 3 * RESOURCE_PERIOD * worker.gossip.interval:
            yield worker, resources


def _lost_within(samples: tuple[Sample, ...], seconds: float) -> int:
    """Return how many processes were lost in the last so many seconds, as far as the samples show it."""
    known = [(sample.at, sample.lost) for sample in samples if sample.lost is not None]
    if not known:
        return 0
    end, latest = known[-1]
    # Of the reports before that time, the last one; of an instance that has just been seen, its first one.
    before = [lost for at, lost in known if at <= end - seconds] or [lost for _, lost in known]
    return latest - (before[-1] if known[0][0] <= end - seconds else before[0])


def _describe_loss(code: int | None, resources: Resources) -> str:
    if code is None:
        return "ended for a reason that is not known"
    if code >= 0:
        return f"ended with exit code {code}: a task, or code that runs at its start, ends its process"
    name = _SIGNALS.get(-code, f"signal {-code}")
    if name in _CRASHES:
        return f"crashed with {name}: an error in native code, such as that of a library"
    if name == "SIGKILL":
        used, limit = resources.memory_used, resources.memory_limit
        memory = f" (it uses {_share_of_limit(used, limit)})" if used and limit else ""
        return (
            f"was killed with {name}: by the kernel, if memory is short{memory}; by Celery, if it takes longer to "
            "start than `worker_proc_alive_timeout`; or by hand"
        )
    return f"was killed with {name}"


def _share_of_limit(used: int, limit: int) -> str:
    return f"{used / limit:.0%} ({format_bytes(used)}) of the memory limit of {format_bytes(limit)}"


def _breakdown(resources: Resources) -> str:
    """Return a sentence on how much the worker's own processes have."""
    if resources.rss is None:
        return ""
    parts = [f"its main process has {format_bytes(resources.rss)}"]
    if resources.children_rss and resources.processes is not None:
        largest = format_bytes(resources.largest_child_rss)
        number = resources.processes.alive
        parts.append(
            f"the {number} processes of its pool {format_bytes(resources.children_rss)}, the largest {largest}"
        )
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}. "


def _describe_growth(growth: Growth) -> str:
    who = "its main process" if growth.part == "main" else "each process of its pool"
    period = f"{growth.seconds / 3600:.1f} h" if growth.seconds > 3600 else f"{growth.seconds / 60:.0f} min"
    return f"{who} from {format_bytes(growth.start)} to {format_bytes(growth.end)} in {period}"


def _forecast(growths: tuple[Growth, ...], resources: Resources) -> str:
    """Return when the memory limit is reached at this rate."""
    used, limit = resources.memory_used, resources.memory_limit
    if not used or not limit or used >= limit:
        return ""
    children = 0 if resources.processes is None else resources.processes.alive
    rate = sum(growth.per_second * (children if growth.part == "child" else 1) for growth in growths)
    seconds = (limit - used) / rate if rate > 0 else _MAX_FORECAST
    if seconds >= _MAX_FORECAST:
        return ""
    after = f"{seconds / 3600:.0f} h" if seconds >= 7200 else f"{seconds / 60:.0f} min"
    return f" At this rate its memory limit of {format_bytes(limit)} is reached in {after}."
