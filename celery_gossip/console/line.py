"""One line of text per report, worker, finding or queue, for `celery gossip watch`. Pure."""

import time

from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.printable import printable
from celery_gossip.units import format_duration, format_percent
from celery_gossip.wire.messages import Gossip, QueueCheck

__all__ = ["clock", "finding_line", "gossip_line", "problem_line", "state_text", "throughput_line", "worker_line"]


def gossip_line(gossip: Gossip, at: float, is_verified: bool | None = None) -> str:
    """Return time, worker, state, totals, and active/reserved/scheduled by queue; `at` in Unix seconds.

    `is_verified` as in WorkerView.
    """
    totals = f"active {gossip.active}/{gossip.concurrency} reserved {gossip.reserved} scheduled {gossip.scheduled}"
    checks = "  ".join(_check_text(check) for check in gossip.checks)
    is_stalled = gossip.stalled_for > 0
    state = state_text("stalled" if is_stalled else gossip.state, gossip.stalled_for, is_verified)
    return f"{clock(at)}  {printable(gossip.hostname)}  {state}  {totals}  |  {checks}"


def worker_line(worker: WorkerView, at: float) -> str:
    """Return a line on a worker that entered a state which no report names: suspect, lost or conflict."""
    reason = "two live workers have this name" if worker.state == "conflict" else f"no report for {worker.age:.1f}s"
    return f"{clock(at)}  {printable(worker.gossip.hostname)}  {worker.state}  {reason}"


def finding_line(finding: Finding, now: float) -> str:
    """Return severity, age and text of a finding; `now` on the listener's clock."""
    return problem_line(finding.severity, now - finding.since, finding.text)


def problem_line(severity: str, age: float, text: str) -> str:
    """Return the severity in capitals, the age in seconds and the text."""
    return f"{severity.upper()} for {max(0.0, age):.0f}s: {printable(text)}"


def throughput_line(queue: str, throughput: Throughput, at: float) -> str:
    """Return rates and 95th percentiles of the tasks of a queue; `at` in Unix seconds."""
    rates = f"{throughput.per_second(throughput.ended):.1f}/s done, {format_percent(throughput.failure_rate)} failed"
    times = f"run p95 {format_duration(throughput.runtime.p95)}, wait p95 {format_duration(throughput.wait.p95)}"
    return f"{clock(at)}  queue {printable(queue) or '(unknown)'}  {rates}, {times}"


def clock(at: float) -> str:
    """Return Unix seconds as the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def state_text(state: str, stalled_for: float, is_verified: bool | None) -> str:
    """Return a worker's state, with its seconds where it is stalled and a mark where its reports are not signed."""
    text = f"stalled {stalled_for:.1f}s" if state == "stalled" and stalled_for > 0 else state
    return f"{text} (unverified)" if is_verified is False else text


def _check_text(check: QueueCheck) -> str:
    counts = f"{printable(check.queue)} {check.active_count}/{check.reserved}/{check.scheduled}"
    return f"{counts} (paused)" if check.paused else counts
