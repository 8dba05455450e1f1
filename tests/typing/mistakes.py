"""Mistakes of users that mypy in strict mode and pyright must report: each `type: ignore` hides an error.

Both report a `type: ignore` that hides none, so a mistake that they no longer notice fails the check.
"""

from typing import Any

from celery_gossip import Finding, Listener, WorkerView, install, snapshot


def mistakes(app: Any, listener: Listener, worker: WorkerView) -> None:
    install(app, intervall=1)  # type: ignore[arg-type]
    listener.throughput(by="queu")  # type: ignore[arg-type]
    listener.cluster.throughput(by="queu")  # type: ignore[arg-type]
    print(worker.state == "onlin")  # type: ignore[comparison-overlap]
    listener.wait(worker=1)  # type: ignore[call-arg]
    listener.wait(queues="mail", timeout="5")  # type: ignore[arg-type]
    listener.events("worker_lots")  # type: ignore[arg-type]
    snapshot(app, waits=1.0)  # type: ignore[call-arg]


def wrong_callbacks(listener: Listener) -> None:
    def on_finding(finding: Finding) -> None: ...

    listener.on("worker_lots", print)  # type: ignore[call-overload]
    listener.on("worker_lost", on_finding)  # type: ignore[call-overload]
