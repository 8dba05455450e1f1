"""Queues whose names are generated at each start, as a listener and an exporter see them."""

from typing import Any

from kombu import Exchange

from tests.support import eventually
from tests.support.ear import Ear
from tests.support.exporting import exporting
from tests.support.workers import QUIET, Project

TASK = "tests.support.project.nap"


def with_broadcast(project: Project) -> list[str]:
    """Give a project's workers two Broadcast queues and one of a fanout exchange with a fixed name."""
    names = [f"{project.prefix}_{name}" for name in ("news", "alarm", "fixed")]
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.broadcast"}
    project.extra_queues = names
    project.install = {"interval": 0.2}
    return names


def publish(project: Project, exchange: str, seconds: float) -> None:
    with project.app() as app, app.connection_for_write() as connection:
        declared = Exchange(exchange, type="fanout")
        options = {"exchange": exchange, "routing_key": project.queues[0], "declare": [declared]}
        app.send_task(TASK, args=[seconds], connection=connection, **options)


def test_a_broadcast_queue_is_reported_under_its_alias(project: Project) -> None:
    news, alarm, fixed = with_broadcast(project)
    with project.worker(*QUIET, pool="threads") as worker, Ear(project) as ear:
        publish(project, news, 1.5)

        def is_active(report: Any) -> bool:
            return {check.queue: check.active_count for check in report.checks}.get(news) == 1

        ear.wait(0.0, 10, is_active)
        checks = {check.queue: check for check in ear.heard[-1][1].checks}
        assert {name: check.broadcast for name, check in checks.items()} == {
            **dict.fromkeys(project.queues, False),
            news: True,
            alarm: True,
            fixed: False,
        }
        ear.wait(0.0, 10, lambda report: any(one.queue == news and one.succeeded for one in report.series))
        (share,) = ear.listener.cluster.queue_shares()
        assert sorted(share.queues) == sorted([*project.queues, fixed])
        (generated,) = [
            queue["name"] for queue in project.inspect("active_queues", worker.node) if queue["alias"] == news
        ]
        assert generated.startswith("bcast.")
        project.control("cancel_consumer", worker.node, queue=generated)

        def is_paused(report: Any) -> bool:
            return [check.queue for check in report.checks if check.paused] == [news]

        ear.wait(0.0, 10, is_paused)
        project.control("add_consumer", worker.node, queue=generated)
        assert worker.stop() == 0


def test_restarts_add_no_series_of_a_broadcast_queue(project: Project) -> None:
    names = {*with_broadcast(project), *project.queues}
    with exporting(project, "--no-hostname") as exporter:
        for count in (1, 2, 3):
            with project.worker(*QUIET, pool="solo") as worker:

                def is_counted(count: int = count) -> None:
                    publish(project, f"{project.prefix}_news", 0)
                    told = exporter.scrape().all("celery_task_succeeded_total", queue_name=f"{project.prefix}_news")
                    assert told and told[0] >= count

                eventually(is_counted, every=0.3)
                assert worker.stop() == 0
        assert exporter.scrape().values_of("queue_name") <= names
