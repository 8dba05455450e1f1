"""Rows of a status report."""

from celery_gossip.console.report import ISOLATED, SourceRow, report_of, task_rows, with_queues
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import a_check
from tests.unit.console.views import a_finding, a_throughput, a_view, a_worker


def test_a_report_has_the_rows_of_a_view() -> None:
    checks = (a_check("mail", active_count=2), a_check("reports", paused=True))
    worker = a_worker(active=2, checks=checks, omitted=3)
    view = a_view(worker, backlogs={"mail": 5})
    report = report_of(view, [a_finding()], {"mail": a_throughput()}, SourceRow(listened=7.0))
    mail, reports = report.queues
    assert (mail.name, mail.active, mail.backlog, mail.per_second, mail.failure_rate) == ("mail", 2, 5, 2.0, 0.25)
    assert (reports.backlog, reports.paused, reports.failure_rate, reports.wait_p95) == (None, "yes", None, None)
    (row,) = report.workers
    assert (row.hostname, row.queues, row.paused, row.omitted) == ("celery@web1", ("mail", "reports"), {"reports"}, 3)
    (finding,) = report.findings
    assert (finding.kind, finding.severity, finding.subject, finding.age) == ("stalled", "critical", "w1", 10.0)
    assert [(source.listened, source.trouble) for source in report.sources] == [(7.0, "")]


def test_running_tasks_are_sorted_by_age_and_selected_by_id_or_name() -> None:
    tasks = (RunningTask(0, 5.0), RunningTask(1, 50.0), RunningTask(0, None))
    check = a_check("mail", active=("a", "b", "c"), active_count=3, tasks=tasks)
    view = a_view(a_worker(hostname="w1", checks=(check,), names=("shop.pack", "shop.send")))
    assert [(row.id, row.name, row.age) for row in task_rows(view)] == [
        ("b", "shop.send", 50.25),
        ("a", "shop.pack", 5.25),
        ("c", "shop.pack", None),
    ]
    assert [row.id for row in task_rows(view, ["shop.pack"])] == ["a", "c"]
    assert [row.id for row in task_rows(view, ["c", "b"])] == ["b", "c"]
    assert task_rows(view, ["pack"]) == ()


def test_an_isolated_view_is_not_current() -> None:
    view = a_view(a_worker(), isolated_since=1000.0)
    assert [source.trouble for source in report_of(view).sources] == [ISOLATED]
    assert [source.trouble for source in report_of(view, source=SourceRow(trouble="dead")).sources] == ["dead"]


def test_queues_that_are_asked_for_are_in_the_view_with_the_backlog_that_is_known() -> None:
    view = with_queues(a_view(a_worker()), ["zero", "default", "gone", "zero"], {"zero": 0, "default": 9})
    assert [(queue.queue, queue.backlog, queue.workers) for queue in view.queues] == [
        ("default", None, 1),
        ("gone", None, 0),
        ("zero", 0, 0),
    ]
