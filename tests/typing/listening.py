"""A program that listens, as a user types it: checked by mypy in strict mode and by pyright, never run."""

import asyncio
from typing import Any

import celery_gossip
from celery_gossip import (
    BeatEvent,
    BrokerUnreachable,
    DroppedEvents,
    Event,
    Finding,
    FindingEvent,
    Gossip,
    GossipEvent,
    GossipOptions,
    Listener,
    RejectionEvent,
    Throughput,
    View,
    WaitTimeout,
    WorkerEvent,
    WorkerState,
    WorkerView,
    snapshot,
)


def print_view(view: View) -> None:
    for worker in view.workers:
        hostname: str = worker.hostname
        queues: tuple[str, ...] = worker.queues
        busy: float = worker.active / worker.concurrency
        state: WorkerState = worker.state
        print(hostname, worker.pool, queues, busy, state, worker.age, worker.is_verified)
        if worker.state == "stalled" and hostname:
            print("stalled")
    for queue in view.queues:
        backlog: int | None = queue.backlog
        print(queue.name, backlog, queue.load, queue.paused, dict(queue.states))


def on_lost(worker: WorkerView) -> None:
    print(worker.hostname)


def on_finding(finding: Finding) -> None:
    print(finding.severity, finding.subject, finding.text)


def on_gossip(gossip: Gossip) -> None:
    print(gossip.hostname)


def on_rejected(reason: str) -> None:
    print(reason)


def listen(app: Any) -> None:
    with Listener(app, GossipOptions(interval=2.0), suspect_after=4, queues=["mail"]) as listener:
        try:
            print_view(listener.wait(workers=1, timeout=5))
            print_view(listener.wait(queues=["mail"], hostnames=("celery@web1",), timeout=None))
        except WaitTimeout as exc:
            print(exc)
        is_certain: bool = listener.wait_for_diagnosis(timeout=20)
        print(is_certain, listener.uri, listener.error, listener.rejected["malformed"])
        for finding in listener.findings:
            on_finding(finding)
        outcomes: dict[str, Throughput] = listener.throughput(by="task", window=60)
        print(outcomes)
        with listener.on("worker_lost", on_lost), listener.on("finding_raised", on_finding):
            callback = listener.on("gossip_received", on_gossip)
            callback.disconnect()
        listener.on("beat_lost", lambda beat: print(beat.hostname, beat.report.worker))
        listener.on("lost", lambda worker: print(worker.hostname))
        listener.on("gossip_rejected", on_rejected)


def name_of(event: Event) -> str:
    if isinstance(event, WorkerEvent):
        return event.worker.hostname
    if isinstance(event, BeatEvent):
        return event.beat.hostname
    if isinstance(event, FindingEvent):
        return event.finding.subject
    if isinstance(event, GossipEvent):
        return event.gossip.hostname
    if isinstance(event, RejectionEvent):
        return event.reason
    dropped: DroppedEvents = event
    return f"{dropped.count} events were dropped"


async def follow(app: Any) -> None:
    async with Listener(app) as listener:
        async for event in listener.events("worker_lost", "online", "finding_raised", max_buffered=100):
            print(event.name, name_of(event))


def ask_once(app: Any) -> None:
    try:
        print_view(snapshot(app, wait=3.0))
    except BrokerUnreachable as exc:
        print(exc)


def receive_signals(app: Any) -> None:
    def on_online(sender: Any, worker: WorkerView) -> None:
        print(sender, worker.state)

    celery_gossip.signals.worker_online.connect(on_online, sender=app)


def run(app: Any) -> None:
    asyncio.run(follow(app))
