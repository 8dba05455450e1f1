"""Metrics of beat processes and of entries."""

from celery_gossip.exporter import ExporterOptions
from celery_gossip.exporter.beat import FAMILIES, MAX_ENTRIES
from tests.incidents.beats import fleet_with_beat
from tests.incidents.fleet import Entry, Fleet
from tests.support.scrape import ClusterSource, scraped

ONE = {"hostname": "celerybeat@web1", "app": "shop"}


def test_a_beat_and_its_entries_have_metrics_until_it_is_gone() -> None:
    fleet = Fleet()
    entries = [Entry("clean", 60.0), Entry("bad", 20.0, error="KeyError"), Entry("stuck", 30.0, is_stuck=True)]
    beat = fleet_with_beat(fleet, *entries)
    fleet.add_beat("b", Entry("clean", 60.0), holds_lock=False)
    fleet.run(10)
    scrape = scraped(ClusterSource(fleet.cluster))
    assert scrape.one("celery_gossip_beat_up", **ONE) == 1
    assert scrape.one("celery_gossip_beat_standby", hostname="b", app="shop") == 1
    assert scrape.one("celery_gossip_beat_entries", **ONE) == 3
    assert scrape.one("celery_gossip_beat_sends_total", **ONE) == 2
    assert scrape.one("celery_gossip_beat_errors_total", **ONE) == 6
    assert 0 <= scrape.one("celery_gossip_beat_tick_age_seconds", **ONE) < 20
    assert scrape.one("celery_gossip_beat_entry_overdue_seconds", **ONE, entry="stuck", task="shop.pack") > 90
    assert scrape.one("celery_gossip_beat_entry_overdue_seconds", **ONE, entry="clean", task="shop.pack") == 0
    assert scrape.one("celery_gossip_beat_entry_errors_total", **ONE, entry="bad", task="shop.pack") == 6
    assert scrape.one("celery_gossip_beat_entry_late_seconds", **ONE, entry="clean", task="shop.pack") < 1
    beat.kill()
    fleet.run(30)
    scrape = scraped(ClusterSource(fleet.cluster))
    assert scrape.one("celery_gossip_beat_up", **ONE) == 0
    assert scrape.one("celery_gossip_beat_up", hostname="b", app="shop") == 1
    assert "celery_gossip_beat_entry_sends_total" not in scrape.names()


def test_the_number_of_entries_is_limited() -> None:
    fleet = Fleet()
    fleet_with_beat(fleet, *(Entry(f"e{number}", 3600.0) for number in range(MAX_ENTRIES + 50)), seconds=1100)
    lines = scraped(ClusterSource(fleet.cluster)).text.splitlines()
    assert sum(line.startswith("celery_gossip_beat_entry_sends_total{") for line in lines) == MAX_ENTRIES


def test_without_hostnames_there_are_none() -> None:
    fleet = Fleet()
    fleet_with_beat(fleet)
    names = scraped(ClusterSource(fleet.cluster), ExporterOptions(by_hostname=False)).names()
    assert not names & {family.name for family in FAMILIES}
