"""The rules of diagnosis: each looks at the evidence and names what seems wrong with it just now. Pure.

Whether it lasts, and is therefore a finding, is the Diagnosis's to tell. What each means, and how it is mended, is in
docs/findings.md.
"""

import math
from collections.abc import Callable, Iterable, Iterator

from celery_gossip.evidence import CRITICAL, WARNING, Evidence, Suspicion
from celery_gossip.messages import Gossip
from celery_gossip.trend import failures_rise, wait_grows
from celery_gossip.view import QueueView

__all__ = ["KINDS", "suspicions"]

_NOBODY_FOR = 5.0  #: seconds of listening in vain
_STALLED_FOR = 5.0  #: seconds, and intervals, of an event loop that does not tick
_MOST_IDS = 10  #: task ids told in one text


def suspicions(evidence: Evidence) -> Iterator[Suspicion]:
    """All that seems wrong. Of a view that is isolated only this much can be told."""
    if evidence.view.isolated_since is not None:
        yield from _isolated(evidence)
        return
    for rule in _RULES:
        yield from rule(evidence)


def _isolated(evidence: Evidence) -> Iterator[Suspicion]:
    why = f": {evidence.trouble}" if evidence.trouble else ""
    text = (
        f"This listener does not hear its own echo on {evidence.where}{why}. The view is frozen, and nobody is called "
        "lost. Check that the broker runs and that this host reaches it."
    )
    yield Suspicion("isolated", CRITICAL, "listener", text)


def _nobody_heard(evidence: Evidence) -> Iterator[Suspicion]:
    if not evidence.view.workers and evidence.listening_for >= _NOBODY_FOR:
        text = (
            f"No worker is heard on {evidence.where}. Check that one runs, that it uses this broker and exchange, and "
            f"that it gossips: `celery_gossip.install(app)`.{_refused(evidence)}"
        )
        yield Suspicion("nobody_heard", CRITICAL, "listener", text)


def _mixed_versions(evidence: Evidence) -> Iterator[Suspicion]:
    if "version" in evidence.refusals:
        text = (
            f"Gossip of another version is heard ({evidence.refusals['version']}); who sends it is not shown. "
            "Bring the workers and this listener to one version of celery-gossip."
        )
        yield Suspicion("mixed_versions", WARNING, "listener", text)


def _wrong_signature(evidence: Evidence) -> Iterator[Suspicion]:
    if "signature" in evidence.refusals:
        text = (
            "Gossip with a wrong signature is heard; it is refused, and who sends it is not shown. Bring gossip_secret "
            "to one value on all workers and listeners of this exchange; if it is, somebody forges: see SECURITY.md."
        )
        yield Suspicion("wrong_signature", WARNING, "listener", text)


def _backlog_without_consumer(evidence: Evidence) -> Iterator[Suspicion]:
    for queue in evidence.view.queues:
        consumers = evidence.consumers.get(queue.queue, [])
        if not queue.backlog or queue.paused == "yes" or any(consumer.is_open for consumer in consumers):
            continue
        text = (
            f"{_messages(queue.backlog)} in queue {queue.queue!r} and no worker takes them{_why_none(queue)}. "
            f"Start one with `-Q {queue.queue}`, or add the queue to one: `celery control add_consumer {queue.queue}`."
        )
        yield Suspicion("backlog_without_consumer", CRITICAL, queue.queue, text, hold=5.0)


def _consumes_nothing(evidence: Evidence) -> Iterator[Suspicion]:
    for queue in evidence.view.queues:
        consumers = evidence.consumers.get(queue.queue, []) if queue.backlog else []
        idle = [consumer for consumer in consumers if consumer.is_idle]
        others_work = any(consumer.check.active_count or consumer.check.reserved for consumer in consumers)
        for consumer in idle:
            hostname = consumer.gossip.hostname
            text = (
                f"{hostname} is online and idle, and takes nothing from queue {queue.queue!r}, where "
                f"{_messages(queue.backlog or 0)}. Its consumer has stopped, as Celery's do after some reconnects: "
                "restart this worker."
            )
            severity = WARNING if others_work else CRITICAL
            witness = (consumer.gossip.boot, consumer.gossip.processed)
            yield Suspicion("consumes_nothing", severity, hostname, text, hold=10.0, witness=witness)


def _stalled(evidence: Evidence) -> Iterator[Suspicion]:
    for worker in evidence.view.workers:
        gossip = worker.gossip
        if worker.state != "stalled" or gossip.stalled_for < _STALLED_FOR * max(1.0, gossip.interval):
            continue
        if gossip.pool == "solo" and gossip.active:  # a solo pool runs its tasks on the event loop
            continue
        text = (
            f"{gossip.hostname} lives, but its event loop has not ticked for {gossip.stalled_for:.0f} s: it takes no "
            "tasks and no commands. Something blocks its main process (a signal receiver, a DNS lookup, a broker that "
            f"does not answer): look with `py-spy dump`, or restart it. {_running(gossip)}"
        )
        yield Suspicion("stalled", CRITICAL, gossip.hostname, text.rstrip())


def _prefetch_hoarding(evidence: Evidence) -> Iterator[Suspicion]:
    for queue in evidence.view.queues:
        consumers = evidence.consumers.get(queue.queue, []) if queue.reserved and not queue.backlog else []
        hoarders = [one for one in consumers if one.check.reserved and one.gossip.active >= one.gossip.concurrency]
        idle = [consumer for consumer in consumers if consumer.is_idle]
        if not hoarders or not idle:
            continue
        hoarder = max(hoarders, key=lambda one: one.check.reserved)
        text = (
            f"{hoarder.gossip.hostname} holds {hoarder.check.reserved} reserved tasks of queue {queue.queue!r} while "
            f"all its slots are busy, and {idle[0].gossip.hostname}, which serves it too, is idle. Lower "
            "worker_prefetch_multiplier to 1, set task_acks_late, or give long tasks a queue of their own."
        )
        witness = tuple(sorted((one.gossip.hostname, one.gossip.processed) for one in idle))
        yield Suspicion("prefetch_hoarding", WARNING, queue.queue, text, hold=10.0, witness=witness)


def _all_paused(evidence: Evidence) -> Iterator[Suspicion]:
    for queue in evidence.view.queues:
        if queue.paused != "yes":
            continue
        waiting = f", and {_messages(queue.backlog)}" if queue.backlog else ""
        text = (
            f"Every worker that serves queue {queue.queue!r} has paused it{waiting}. Resume it with "
            f"`celery control add_consumer {queue.queue}`."
        )
        yield Suspicion("all_paused", CRITICAL if queue.backlog else WARNING, queue.queue, text, hold=2.0)


def _duplicate_hostname(evidence: Evidence) -> Iterator[Suspicion]:
    for worker in evidence.view.workers:
        rivals = [gossip for gossip in worker.rivals if gossip.state == "online"]
        if rivals and not worker.is_gone:
            hostname = worker.gossip.hostname
            text = (
                f"{1 + len(rivals)} live workers call themselves {hostname}: remote control reaches both, and "
                "neither can be told apart. Give each a name of its own: `celery worker -n NAME@%h`."
            )
            hold = 0.0 if worker.state == "conflict" else math.inf  # a message may be late: the cluster judges it
            yield Suspicion("duplicate_hostname", WARNING, hostname, text, hold=hold)


def _lost_with_tasks(evidence: Evidence) -> Iterator[Suspicion]:
    for worker in evidence.view.workers:
        hostname = worker.gossip.hostname
        if worker.state == "lost" and worker.gossip.active:
            text = (
                f"{hostname} fell silent without a goodbye. {_running(worker.gossip)} Look at its host; tasks with "
                "acks_late come back to the queue, the others have to be sent again."
            )
            yield Suspicion("lost_with_tasks", CRITICAL, hostname, text)
        elif worker.replaced is not None:
            text = (
                f"{hostname} was started again after an end without a goodbye. {_running(worker.replaced)} Tasks with "
                "acks_late come back to the queue, the others have to be sent again."
            )
            yield Suspicion("lost_with_tasks", WARNING, hostname, text)


_RULES: tuple[Callable[[Evidence], Iterable[Suspicion]], ...] = (
    _nobody_heard,
    _backlog_without_consumer,
    _consumes_nothing,
    _stalled,
    _lost_with_tasks,
    _all_paused,
    _duplicate_hostname,
    _prefetch_hoarding,
    failures_rise,
    wait_grows,
    _mixed_versions,
    _wrong_signature,
)

#: Every kind of finding, in the order of docs/findings.md.
KINDS = (
    "nobody_heard",
    "isolated",
    "backlog_without_consumer",
    "consumes_nothing",
    "stalled",
    "lost_with_tasks",
    "all_paused",
    "duplicate_hostname",
    "prefetch_hoarding",
    "failures_rise",
    "wait_grows",
    "mixed_versions",
    "wrong_signature",
)


def _refused(evidence: Evidence) -> str:
    """What was heard, but is no gossip of anybody's."""
    if not evidence.rejected:
        return ""
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(evidence.rejected.items()))
    cure = " Give the workers this listener's gossip_secret." if "unsigned" in evidence.rejected else ""
    return f" Messages that were heard and refused: {reasons}.{cure}"


def _messages(count: int) -> str:
    return "1 message waits" if count == 1 else f"{count} messages wait"


def _why_none(queue: QueueView) -> str:
    gone = [f"{count} {state}" for state, count in queue.states.items()]
    return f" ({', '.join(gone)})" if gone else ""


def _running(gossip: Gossip) -> str:
    if not gossip.active:
        return ""
    ids = [task_id for check in gossip.checks for task_id in check.active]
    more = gossip.active - len(ids[:_MOST_IDS])
    told = ", ".join(ids[:_MOST_IDS]) + (f" and {more} more" if more > 0 else "")
    return f"1 task ran there: {told}." if gossip.active == 1 else f"{gossip.active} tasks ran there: {told}."
