"""The status report of a listener of the command's own. Called by `celery gossip status` on the main thread."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery_gossip.cli.listening import open_listener, why_no_report
from celery_gossip.console.found import find as find_tasks
from celery_gossip.console.json_object import status_json
from celery_gossip.console.report import (
    Answer,
    SourceRow,
    balance_rows,
    failure_rows,
    report_of,
    task_rows,
    with_queues,
)
from celery_gossip.console.worker_detail import detail_rows, not_in_view

if TYPE_CHECKING:
    from celery_gossip.cluster.view import View
    from celery_gossip.diagnosis.rule_settings import RuleSettings
    from celery_gossip.listener.listener import Listener

__all__ = ["listen_for_status"]

_BACKLOG_TIMEOUT = 2.5  #: seconds for which an unknown backlog is waited for: they are read every 2 s
_POLL_EVERY = 0.05  #: seconds


def listen_for_status(  # noqa: PLR0913 - one argument for each option of the command
    app: Any,
    queues: Sequence[str],
    wait: float | None,
    *,
    needs_backlogs: bool,
    tasks: Sequence[str] | None = None,
    rules: "RuleSettings | None" = None,
    with_exact_age: bool = False,
    with_balance: bool = False,
    with_failures: bool = False,
    find: Sequence[str] = (),
    hostnames: Sequence[str] = (),
) -> Answer:
    """Return what a listener knows after `wait` seconds, or as soon as its view is complete.

    `tasks` asks for the running tasks with one of these ids or names; empty for all, None for none.
    `with_balance` and `with_failures` ask for what was sent to each queue, and for the last failures.
    `find` names ids of tasks to be found, or beginnings of them.
    `hostnames` asks for the details of these workers.
    `with_exact_age` reads the next message of each queue in which one waits.
    With `needs_backlogs` a backlog that is still unknown then is waited for, for 2.5 s at most.
    """
    from celery_gossip.listener.snapshot import wait_for_reports

    with open_listener(app, queues, rules) as listener:
        wait_for_reports(listener, wait)
        if needs_backlogs and wait is None:
            _await_backlogs(listener, queues)
        view = with_queues(listener.view(), queues, listener.cluster.backlogs())
        findings, throughput = listener.findings, listener.throughput()
        balance = balance_rows(listener.balance()) if with_balance else None
        failures = failure_rows(listener.failures()) if with_failures else None
        found = find_tasks(listener.view(), listener.failures(), find) if find else None
        details = detail_rows(view, hostnames, listener.cluster.task_names) if hostnames else None
        no_report = "" if view.workers else why_no_report(listener)  # while it listens
        source = _source(listener, no_report)
        exact = listener.exact_ages(_waiting(view)) if with_exact_age else {}
    errors = [
        f"exact age unknown: {reason}" for reason in dict.fromkeys(age.reason for age in exact.values()) if reason
    ]
    if listener.rejected:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(listener.rejected.items()))
        errors.append(f"messages refused: {reasons}")
    errors += not_in_view(details or (), hostnames)
    if no_report:
        errors.append(f"Error: {no_report}")
    report = replace(
        report_of(view, findings, throughput, source),
        balance=balance,
        failures=failures,
        found=found,
        details=details,
    )
    objects = status_json(view, findings, throughput)
    if with_exact_age:
        ages = {queue: age.age for queue, age in exact.items()}
        report = replace(report, queues=tuple(replace(row, exact_age=ages.get(row.name)) for row in report.queues))
        for queue in objects["queues"]:
            queue["exact_age"] = ages.get(queue["queue"])
    return Answer(
        report=report if tasks is None else replace(report, tasks=task_rows(view, tasks)),
        objects=objects,
        errors=tuple(errors),
    )


def _waiting(view: "View") -> list[str]:
    """Return the queues in which a message may wait, the longest first."""
    waiting = [queue for queue in view.queues if queue.backlog != 0]
    return [queue.queue for queue in sorted(waiting, key=lambda queue: -(queue.backlog or 0))]


def _await_backlogs(listener: "Listener", queues: Sequence[str]) -> None:
    give_up_at = time.monotonic() + _BACKLOG_TIMEOUT
    while not _knows_backlogs(listener, queues) and time.monotonic() < give_up_at and not listener.failure:
        time.sleep(_POLL_EVERY)


def _knows_backlogs(listener: "Listener", queues: Sequence[str]) -> bool:
    backlogs = listener.cluster.backlogs()
    names = queues or [queue.queue for queue in listener.view().queues]
    return all(backlogs.get(name) is not None for name in names)


def _source(listener: "Listener", no_report: str) -> SourceRow:
    from celery_gossip.listener.snapshot import describe_unreachable

    connected_at = listener.connected_at
    listened = 0.0 if connected_at is None else time.monotonic() - connected_at
    source = SourceRow(listened=listened)
    if listener.failure:
        return replace(source, trouble=f"the listener has failed: {listener.failure}")
    if connected_at is None:
        return replace(source, trouble=no_report or describe_unreachable(listener))
    return replace(source, no_report=no_report) if no_report else source
