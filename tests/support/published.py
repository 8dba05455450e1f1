"""Queries of celery-exporter's published dashboards and alerts, whose series this exporter has.

Facts about https://github.com/danihodovic/celery-exporter, directory celery-mixin: "overview" and "by task" are the
dashboards 17509 and 17508 of Grafana, "overview, newest" is the former in the repository. If a dashboard has the same
query for several states of a task or several quantiles, each of them is a query here. `$job`, `$queue_name` and similar
names are Grafana's variables.
"""

from collections.abc import Iterator
from dataclasses import dataclass

OUTCOMES = ("succeeded", "failed", "sent", "received", "rejected", "retried", "revoked")
BY_QUEUE = 'job="$job", queue_name=~"$queue_name"'
BY_TASK = 'job=~"celery|celery-exporter", name=~"$task", queue_name=~"$queue_name"'
NEWEST = 'cluster="$cluster", namespace="$namespace", job=~"$job", queue_name=~"$queue_name"'


@dataclass(frozen=True)
class Query:
    dashboard: str
    panel: str
    expression: str
    needs: str = ""  #: setting that it needs to return series

    @property
    def row(self) -> str:
        """Row of the table in docs/reference/metrics.md."""
        verdict = f"with `{self.needs}`" if self.needs else "yes"
        return f"| {self.dashboard} | {self.panel} | `{self.expression.replace('|', chr(92) + '|')}` | {verdict} |"


def queries() -> Iterator[Query]:
    yield from _overview()
    yield from _by_task()
    yield from _newest()
    yield from _alerts()


def _needs(outcome: str) -> str:
    return "gossip_count_sent" if outcome == "sent" else ""


def _share(succeeded: str, failed: str) -> str:
    return f"{succeeded} / ({succeeded} + {failed})"


def _overview() -> Iterator[Query]:
    where = "overview"
    week = f"{{{BY_QUEUE}}}[1w]"
    yield Query(where, "Workers", 'count(celery_worker_up{job="$job"} == 1)')
    yield Query(where, "Tasks Active", 'sum(celery_worker_tasks_active{job="$job"})')
    yield Query(where, "Tasks received by workers", f"sum(round(increase(celery_task_received_total{week})))")
    succeeded, failed = (
        f"sum(round(increase(celery_task_{outcome}_total{week})))" for outcome in ("succeeded", "failed")
    )
    yield Query(where, "Tasks Success Rate", _share(succeeded, failed))
    ran, runs = (f"sum(rate(celery_task_runtime_{part}{week}))" for part in ("sum", "count"))
    yield Query(where, "Average Runtime for Tasks", f"{ran} / {runs} > 0")
    failures = f"increase(celery_task_failed_total{week})"
    yield Query(where, "Top Failed Tasks", f"round(sum({failures} > 0) by (job, name))")
    yield Query(where, "Top Task Exceptions", f"round(sum({failures}) by (job, exception) > 0)")
    ran, runs = (f"sum(rate(celery_task_runtime_{part}{week})) by (name)" for part in ("sum", "count"))
    yield Query(where, "Top Average Task Runtime", f"{ran} / {runs} > 0")
    yield Query(where, "Queue Length", f"sum(celery_queue_length{{{BY_QUEUE}}}) by (job, queue_name)")
    grown = {
        outcome: f"sum(round(increase(celery_task_{outcome}_total{{{BY_QUEUE}}}[$__range]))) by (job)"
        for outcome in OUTCOMES
    }
    yield Query(where, "Task Stats", f"{_share(grown['succeeded'], grown['failed'])} > -1")
    for outcome in OUTCOMES:
        yield Query(where, "Task Stats", f"{grown[outcome]} > 0", _needs(outcome))
    for outcome in OUTCOMES:
        done = f"sum(round(increase(celery_task_{outcome}_total{{{BY_QUEUE}}}[$__rate_interval])))"
        yield Query(where, "Tasks Completed", done, _needs(outcome))
    for part in ("0.50", "0.95", "0.99"):
        rates = f"irate(celery_task_runtime_bucket{{{BY_QUEUE}}}[$__rate_interval]) > 0"
        yield Query(where, "Tasks Runtime", f"histogram_quantile({part}, sum({rates}) by (job, le))")


def _by_task() -> Iterator[Query]:
    where = "by task"
    grown = {
        outcome: f"sum(round(increase(celery_task_{outcome}_total{{{BY_TASK}}}[$__range]))) by (name)"
        for outcome in OUTCOMES
    }
    yield Query(where, "Task Stats", f"{_share(grown['succeeded'], grown['failed'])} > -1")
    for outcome in OUTCOMES:
        yield Query(where, "Task Stats", f"{grown[outcome]} > 0", _needs(outcome))
    failures = f"increase(celery_task_failed_total{{{BY_TASK}}}[$__range])"
    yield Query(where, "Task Exceptions", f"round(sum({failures}) by (name, exception) > 0)")
    for outcome in OUTCOMES:
        done = f"sum(round(increase(celery_task_{outcome}_total{{{BY_TASK}}}[$__rate_interval]))) by (name)"
        yield Query(where, "Tasks completed", done, _needs(outcome))
    for part in ("0.50", "0.95", "0.99", "0.999"):
        rates = f"irate(celery_task_runtime_bucket{{{BY_TASK}}}[$__rate_interval]) > 0"
        yield Query(where, "Tasks Runtime", f"histogram_quantile({part}, sum({rates}) by (name, job, le))")


def _newest() -> Iterator[Query]:
    where = "overview, newest"
    anywhere = 'cluster="$cluster", namespace="$namespace", job=~"$job"'
    yield Query(where, "Workers", f"count(celery_worker_up{{{anywhere}}} == 1)")
    yield Query(where, "Queues", f"count(group by (queue_name) (celery_queue_length{{{NEWEST}}}))")
    yield Query(where, "Task Rate by Queue", f"sum(rate(celery_task_received_total{{{NEWEST}}}[1h])) by (queue_name)")
    for part in ("0.50", "0.95", "0.99"):
        rates = f"rate(celery_task_queue_wait_time_bucket{{{NEWEST}}}[$__rate_interval])"
        yield Query(where, "Queue Wait Time", f"histogram_quantile({part}, sum({rates}) by (le))")
    for outcome in OUTCOMES:
        rate = f"sum(rate(celery_task_{outcome}_total{{{NEWEST}}}[$__rate_interval]))"
        yield Query(where, "Task States", rate, _needs(outcome))
    busiest = f"topk(40, sum(rate(celery_task_received_total{{{NEWEST}}}[24h])) by (job, name))"
    for outcome in ("succeeded", "failed", "retried"):
        done = f"round(sum(increase(celery_task_{outcome}_total{{{NEWEST}}}[24h])) by (job, name))"
        yield Query(where, "Tasks Overview", f"{done} and on (job, name) ({busiest})")
    for metric in ("runtime", "queue_wait_time"):
        rates = f"rate(celery_task_{metric}_bucket{{{NEWEST}}}[24h])"
        quantile = f"histogram_quantile(0.95, sum({rates}) by (le, job, name))"
        yield Query(where, "Tasks Overview", f"{quantile} and on (job, name) ({busiest})")
    failures = f"increase(celery_task_failed_total{{{NEWEST}}}[24h])"
    yield Query(where, "Task Exceptions", f"round(sum({failures}) by (job, name, exception)) > 0")


def _alerts() -> Iterator[Query]:
    """Without their thresholds: whether they fire is another question."""
    where, ours = "alerts", 'job=~".*celery.*", queue_name!~"None"'
    by = "by (job, namespace, queue_name, name)"
    failed, succeeded = (
        f'sum(increase(celery_task_{outcome}_total{{{ours}, name!~"None"}}[10m])) {by}'
        for outcome in ("failed", "succeeded")
    )
    yield Query(where, "CeleryTaskHighFailRate", f"{failed} / ({failed} + {succeeded}) * 100")
    yield Query(where, "CeleryHighQueueLength", f"sum(celery_queue_length{{{ours}}}) by (job, namespace, queue_name)")
    yield Query(where, "CeleryWorkerDown", 'celery_worker_up{job=~".*celery.*"} == 0')
