"""BalanceTracker: compares the tasks that processes have sent to each queue with those that arrived. Pure.

Owned by the Cluster. Everything but rows() is called under its lock. Does nothing until a process reports what it has
sent, which is opt-in (`gossip_count_sent`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from celery_gossip.cluster.flow import Conditions, QueueFlow
from celery_gossip.cluster.queue_balance import QueueBalance, TaskBalance
from celery_gossip.cluster.senders import SenderTracker
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.wire.messages import OTHER, Echo, Gossip, QueueCheck, SentReport

__all__ = ["BalanceTracker"]

_MAX_FLOWS = 1000  #: queues and routes that are balanced
_MAX_TASKS = 10_000  #: pairs of queue and task name that are counted separately; the others are in the sums
_ELSEWHERE = ("", OTHER)  #: names of queues under which tasks of any queue may be counted
_DELAY, _DELAY_INTERVALS = 20.0, 8.0  #: seconds, and intervals, after which every received task is reported
_LONGEST_DELAY = 240.0  #: seconds; a window must be longer
_SETTLED = frozenset({"online", "stalled", "draining"})

_Consumer = tuple[WorkerView, Gossip, QueueCheck]
_Instance = tuple[str, str]  #: hostname, instance id


@dataclass
class _Entry:
    """The flow of one queue or route, and its consumers."""

    flow: QueueFlow = field(default_factory=QueueFlow)
    instances: set[_Instance] = field(default_factory=set)
    is_batched: bool = False  #: celery-batches processes its tasks, which workers cannot count
    tasks: dict[str, list[int]] = field(default_factory=dict)  #: `{task: [sent, received]}`


class BalanceTracker:
    """Flows of all queues."""

    def __init__(self) -> None:
        self.is_active = False  #: True once a process has reported what it has sent
        self._senders = SenderTracker()
        self._entries: dict[tuple[str, bool], _Entry] = {}  #: by name and is_route
        self._sent: dict[tuple[str, str], int] = {}
        self._received_elsewhere = 0
        self._received_by_task: dict[str, int] = {}
        self._task_count = 0
        self._has_no_unsent = False  #: all places are taken by queues that tasks are sent to
        self._undecodable: dict[_Instance, int] = {}
        self._losses: tuple[object, ...] = ()

    def start(self, received: Iterable[tuple[str, str, int, int]]) -> None:
        """Begin, at the first report of a process, with `(queue, task, received, ended)` since the listener started."""
        self.is_active = True
        for one in received:
            self.add_received(*one)

    def add_sent(self, echo: Echo, report: SentReport, now: float, listening_since: float) -> None:
        """Add the report of a process that arrived now. start() must have been called."""
        for one in self._senders.increases(echo, report, now, listening_since):
            name = one.queue if one.queue != OTHER or one.is_route else ""
            entry = self._entry(name, is_route=one.is_route) or self._replace_unsent(name, is_route=one.is_route)
            if entry is not None:
                entry.flow.add_sent(one, now)
                self._count_task(entry, one.task, 0, one.sent)
            key = (name, one.task)
            if key not in self._sent and len(self._sent) >= _MAX_TASKS:
                key = (OTHER, OTHER)
            self._sent[key] = self._sent.get(key, 0) + one.sent

    def add_received(self, queue: str, task: str, received: int, ended: int) -> None:
        """Add tasks that a worker has reported."""
        if queue in _ELSEWHERE:
            self._received_elsewhere += received
        if task in self._received_by_task or len(self._received_by_task) < _MAX_TASKS:
            self._received_by_task[task] = self._received_by_task.get(task, 0) + received
        entry = self._entry(queue, is_route=False)
        if entry is not None:
            entry.flow.received += received
            entry.flow.ended += ended
            if received:
                self._count_task(entry, task, 1, received)

    def note_baseline(self, queue: str, now: float) -> None:
        """Note that a worker counted tasks of this queue before its counts were known."""
        for (name, is_route), entry in self._entries.items():
            if is_route or queue in (name, *_ELSEWHERE):
                entry.flow.reset("a worker has only now begun to report what it received", now)

    def add_readings(self, lengths: Mapping[str, int | None], missing: Collection[str], now: float) -> None:
        """Add the numbers of waiting messages; a queue in `missing` does not exist."""
        for queue, count in lengths.items():
            entry = self._entries.get((queue, False))
            if entry is not None and (count is not None or queue in missing):
                entry.flow.add_reading(count or 0, now, is_missing=count is None)

    def step(self, view: View, now: float, counted: Collection[str], losses: tuple[object, ...]) -> None:
        """Update all flows; to be called about once a second.

        `counted` are the hostnames of workers that count tasks. `losses` changes when the listener has dropped
        something because of a limit.
        """
        for queue in view.queues:
            self._entry(queue.queue, is_route=False)
        consumers: dict[str, list[_Consumer]] = defaultdict(list)
        for worker, gossip, check in view.checks():
            consumers[check.queue].append((worker, gossip, check))
        self._note_losses(view, now, losses)
        lost = {check.queue: one.hostname for one in view.workers if one.state == "lost" for check in one.gossip.checks}
        elsewhere = self._received_elsewhere + self._count_undecodable(view)
        ended = ""
        for (name, is_route), entry in self._entries.items():
            if name and not is_route:
                ended = self._note_instances(entry, consumers[name], view, now) or ended
                conditions = _conditions(entry, consumers[name], counted)
                if name in lost:
                    problem = f"the worker {lost[name]} is lost, but may run and receive messages without reporting it"
                    conditions = conditions._replace(problem=problem)
                entry.flow.step(now, conditions, elsewhere)
        self._step_routes(view, now, counted, elsewhere, ended)

    def reset(self, reason: str, now: float) -> None:
        """Begin with new windows for all queues."""
        for entry in self._entries.values():
            entry.flow.reset(reason, now)

    def queue_names(self) -> tuple[str, ...]:
        """Return the names of queues that tasks are sent to."""
        return tuple(name for (name, is_route), one in self._entries.items() if name and not is_route and one.flow.sent)

    def sent_totals(self) -> dict[tuple[str, str], int]:
        """Return `{(queue, task): tasks sent}`; the queue is empty if it is not known. They only grow."""
        return dict(self._sent)

    def rows(self, view: View, backlogs: Mapping[str, int | None]) -> Iterator[QueueBalance]:
        """Yield the balance of each queue that tasks were sent to, by name."""
        for (name, is_route), entry in sorted(self._entries.items()):
            flow, queue = entry.flow, None if is_route else view.queue(name)
            if flow.sent:
                yield QueueBalance(
                    queue=name,
                    is_route=is_route,
                    sent=flow.sent,
                    received=flow.received,
                    ended=flow.ended,
                    waiting=0 if flow.is_missing_queue else None if is_route else backlogs.get(name),
                    reserved=queue.reserved if queue else 0,
                    scheduled=queue.scheduled if queue else 0,
                    active=queue.active if queue else 0,
                    missing=flow.missing,
                    window=0.0 if flow.window_since is None else view.taken_at - flow.window_since,
                    window_sent=flow.window_sent,
                    reason=flow.reason if name else "the queue is not known",
                    growing_at=flow.growing_at,
                    is_missing_queue=flow.is_missing_queue,
                    tasks={task: TaskBalance(*counts) for task, counts in entry.tasks.items()},
                )

    def _step_routes(self, view: View, now: float, counted: Collection[str], elsewhere: int, ended: str) -> None:
        """Update the flows of routes: their tasks may have been received from any queue, and may wait in any.

        `ended` is the reason to begin new windows, if a worker has ended without reporting everything.
        """
        routes = [entry for (_, is_route), entry in self._entries.items() if is_route]
        if not routes:
            return
        everything = _Entry(is_batched=any(entry.is_batched for entry in self._entries.values()))
        conditions = _conditions(everything, [one for one in view.checks() if not one[2].broadcast], counted)
        busy = next((worker.hostname for worker in view.workers if worker.state not in ("online", "offline")), "")
        if busy:
            conditions = conditions._replace(problem=f"the worker {busy} may not have received its messages")
        elif len(self._received_by_task) >= _MAX_TASKS:
            conditions = conditions._replace(problem="too many task names")
        readings = [one.flow.reading for (name, is_route), one in self._entries.items() if name and not is_route]
        for entry in routes:
            if ended:
                entry.flow.reset(ended, now)
            entry.flow.received = sum(self._received_by_task.get(task, 0) for task in entry.tasks)
            known = [reading for reading in readings if reading is not None]
            if len(known) == len(readings):
                oldest = min((reading.at for reading in known if not reading.is_missing), default=now)
                entry.flow.add_reading(sum(reading.waiting for reading in known), oldest, is_missing=False)
            entry.flow.step(now, conditions._replace(allowance=0), elsewhere)

    def _entry(self, name: str, *, is_route: bool) -> _Entry | None:
        entry = self._entries.get((name, is_route))
        if entry is None and len(self._entries) < _MAX_FLOWS:
            entry = self._entries[name, is_route] = _Entry(QueueFlow(is_route=is_route))
        return entry

    def _replace_unsent(self, name: str, *, is_route: bool) -> _Entry | None:
        """Return an entry in the place of a queue that nothing is sent to; None if there is no such queue."""
        unsent = (
            None
            if self._has_no_unsent
            else next((key for key, one in self._entries.items() if not one.flow.sent), None)
        )
        if unsent is None:
            self._has_no_unsent = True
            return None
        self._task_count -= len(self._entries.pop(unsent).tasks)
        return self._entry(name, is_route=is_route)

    def _count_task(self, entry: _Entry, task: str, at: int, count: int) -> None:
        if task not in entry.tasks:
            if self._task_count >= _MAX_TASKS:
                return
            self._task_count += 1
        entry.tasks.setdefault(task, [0, 0])[at] += count

    def _note_losses(self, view: View, now: float, losses: tuple[object, ...]) -> None:
        """Begin new windows for all queues if something was dropped, or a worker is lost whose queues are unknown."""
        hidden = {worker.gossip.boot for worker in view.workers if worker.state == "lost" and worker.gossip.omitted}
        losses = (*losses, frozenset(hidden))
        if losses != self._losses:
            self._losses = losses
            self.reset("the listener has left out some reports", now)

    def _count_undecodable(self, view: View) -> int:
        """Return how many messages that are no tasks were received by all instances."""
        for worker in view.workers:
            for gossip in worker.gossips:
                if gossip.undecodable:
                    self._undecodable[gossip.hostname, gossip.boot] = gossip.undecodable
        if len(self._undecodable) > _MAX_TASKS:
            self._undecodable.clear()
        return sum(self._undecodable.values())

    def _note_instances(self, entry: _Entry, consumers: list[_Consumer], view: View, now: float) -> str:
        """Begin new windows if a worker has ended without reporting everything that it received; return the reason."""
        reason = ""
        current = {(gossip.hostname, gossip.boot) for _, gossip, _ in consumers}
        for hostname, boot in entry.instances - current:
            worker = view.worker(hostname)
            if worker is not None and worker.gossip.boot == boot and worker.state != "lost":
                if worker.state != "offline":
                    current.add((hostname, boot))  # it has left the check out of its report
                continue
            reason = f"the worker {hostname} was lost or restarted"
            entry.flow.reset(reason, now)
        entry.instances = current
        entry.is_batched = entry.is_batched or any(gossip.batched for _, gossip, _ in consumers)
        return reason


def _conditions(entry: _Entry, consumers: list[_Consumer], counted: Collection[str]) -> Conditions:
    """Return how far the reports of these consumers can be relied upon."""
    delay = _DELAY + _DELAY_INTERVALS * max((gossip.interval for _, gossip, _ in consumers), default=0.0)
    problem, allowance = "", 0
    if entry.is_batched:
        problem = "a task collects its messages in batches, which workers do not count"
    elif delay > _LONGEST_DELAY:
        problem = "a worker reports too rarely"
    for worker, gossip, check in consumers:
        if worker.state not in _SETTLED:
            problem = f"the worker {gossip.hostname} is {worker.state}"
        elif check.broadcast:
            problem = "each worker has a queue of its own with this name"
        elif gossip.processed and gossip.hostname not in counted:
            problem = f"the worker {gossip.hostname} does not count its tasks"
        elif not gossip.prefetch_count:
            problem = f"the prefetch count of the worker {gossip.hostname} is not limited"
        else:
            allowance += max(0, gossip.prefetch_count - gossip.scheduled)
    return Conditions(delay, allowance, problem)
