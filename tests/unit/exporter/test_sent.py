"""Metrics of sent tasks."""

import pytest

from celery_gossip.exporter import ExporterOptions
from tests.incidents.fleet import Fleet
from tests.support.scrape import ClusterSource, scraped


@pytest.mark.parametrize("by_hostname", [True, False])
def test_sent_and_missing_tasks_are_exported(by_hostname: bool) -> None:
    fleet = Fleet()
    fleet.add("w1")
    fleet.add_sender()
    fleet.missing.add("lost")
    fleet.traffic(2.0)
    fleet.traffic(1.0, "lost", name="shop.lost")
    fleet.run(150)
    scrape = scraped(ClusterSource(fleet.cluster), ExporterOptions(by_hostname=by_hostname))
    assert scrape.one("celery_task_sent_total", queue_name="mail", name="shop.pack") >= 250
    assert scrape.one("celery_task_sent_total", queue_name="lost", name="shop.lost") >= 130
    assert scrape.one("celery_gossip_queue_tasks_missing", queue_name="mail") == 0
    assert scrape.one("celery_gossip_queue_tasks_missing", queue_name="lost") > 50
    assert scrape.one("celery_gossip_findings", kind="sent_into_the_void", severity="critical") == 0  # of no listener


def test_without_a_process_that_counts_there_are_no_series() -> None:
    fleet = Fleet()
    fleet.add("w1")
    fleet.traffic(2.0)
    fleet.run(30)
    assert not scraped(ClusterSource(fleet.cluster)).names() & {
        "celery_task_sent_total",
        "celery_gossip_queue_tasks_missing",
    }
