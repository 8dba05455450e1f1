# pyright: reportUnnecessaryComparison=error, reportUnnecessaryTypeIgnoreComment=error
"""Views, findings and throughput as a user reads them, for `mypy tests/typing`: each misspelt name must be an error.

mypy in strict mode reports a `type: ignore` comment that hides no error. pyright checks the same in its strict mode.
"""

from celery import Celery

from celery_gossip import (
    BeatState,
    BeatView,
    EntryView,
    Finding,
    FindingKind,
    GossipState,
    GroupBy,
    Listener,
    Paused,
    QueueView,
    Severity,
    Throughput,
    View,
    WorkerState,
    WorkerView,
)


def read_view(view: View) -> tuple[WorkerView | None, QueueView | None]:
    worker, queue = view.worker("celery@web1"), view.queue("mail")
    if worker is not None:
        names: tuple[str, ...] = worker.queues
        numbers: tuple[int, int] = (worker.active, worker.concurrency)
        texts: tuple[str, str] = (worker.hostname, worker.pool)
        print(names, numbers, texts)
    if queue is not None:
        print(queue.name, queue.backlog)
    return worker, queue


def read_beats(view: View) -> BeatView | None:
    beat = view.beat("celerybeat@web1")
    for one in view.beats:
        state: BeatState = one.state
        entry: EntryView | None = one.entry("clean")
        print(state, one.is_standby, one.report.holds_lock, one.unreported)
        if entry is not None:
            due: float | None = entry.due_in(view.taken_at)
            print(due, entry.entry.schedule, [send.at for send in entry.history])
        print(state == "draining")  # type: ignore[comparison-overlap]
    return beat


def read_states(worker: WorkerView, queue: QueueView, finding: Finding) -> bool:
    state: WorkerState = worker.state
    reported: GossipState = worker.gossip.state
    paused: Paused = queue.paused
    severity: Severity = finding.severity
    kind: FindingKind = finding.kind
    print(state, reported, paused, severity, kind)
    return worker.state == "online" and finding.severity == "critical" and finding.kind == "stalled"


def read_throughput(app: Celery, by: GroupBy = "task") -> dict[str, Throughput]:
    with Listener(app) as listener:
        listener.cluster.series("queue", "mail", window=600.0, least=10.0)
        return {**listener.throughput(by="worker"), **listener.cluster.throughput(by)}


def misspelt(view: View, worker: WorkerView, queue: QueueView, finding: Finding, listener: Listener) -> None:
    print(worker.state == "onlin")  # type: ignore[comparison-overlap]
    print(worker.gossip.state == "drained")  # type: ignore[comparison-overlap]
    print(queue.paused == "partially")  # type: ignore[comparison-overlap]
    print(finding.severity == "crtical")  # type: ignore[comparison-overlap]
    print(finding.kind == "backlog")  # type: ignore[comparison-overlap]
    print(listener.throughput(by="queu"))  # type: ignore[arg-type]
    print(listener.cluster.series("queues", "mail"))  # type: ignore[arg-type]
    print(view.queue("mail").backlog)  # type: ignore[union-attr]
    print(view.worker("celery@web1").state)  # type: ignore[union-attr]
