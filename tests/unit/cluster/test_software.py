"""Software of workers: kept between the reports that have it, that of one instance, and shared by equal workers."""

from typing import Any

import msgspec
import pytest

from celery_gossip.cluster import software as module
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, Settings, Software, decode
from tests.unit.build import OTHER_BOOT, FakeClock, a_gossip

V41 = Software(release="v41", settings=Settings(visibility_timeout=3600.0))
V42 = Software(release="v42")


def received(**fields: Any) -> Gossip:
    """As decoded by a listener, with its own copy of everything."""
    gossip = decode(encode(a_gossip(**fields)))
    assert isinstance(gossip, Gossip)
    return gossip


def worker_of(cluster: Cluster, hostname: str = "celery@web1") -> Any:
    return cluster.view().worker(hostname)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(FakeClock())


def test_software_is_kept_until_another_report_has_it(cluster: Cluster) -> None:
    cluster.apply_gossip(received(seq=1), 1000.0)
    assert (worker_of(cluster).software, worker_of(cluster).release) == (None, "")
    cluster.apply_gossip(received(seq=2, software=V41), 1001.0)
    cluster.apply_gossip(received(seq=3), 1002.0)
    assert (worker_of(cluster).software, worker_of(cluster).release) == (V41, "v41")
    cluster.apply_gossip(received(seq=4, software=V42), 1003.0)
    assert worker_of(cluster).release == "v42"


def test_software_is_that_of_one_instance(cluster: Cluster) -> None:
    cluster.apply_gossip(received(seq=5, software=V41), 1000.0)
    cluster.apply_gossip(received(seq=1, boot=OTHER_BOOT), 1001.0)
    assert worker_of(cluster).software is None
    cluster.apply_gossip(received(seq=2, boot=OTHER_BOOT, software=V42), 1002.0)
    assert worker_of(cluster).release == "v42"


def test_an_older_report_changes_nothing(cluster: Cluster) -> None:
    cluster.apply_gossip(received(seq=5, software=V42), 1000.0)
    cluster.apply_gossip(received(seq=4, software=V41), 1001.0)
    assert worker_of(cluster).release == "v42"


def test_equal_workers_share_one_object(cluster: Cluster) -> None:
    for number in range(50):
        cluster.apply_gossip(received(hostname=f"w{number}", software=V41 if number % 2 else V42), 1000.0)
    assert len({id(worker.software) for worker in cluster.workers()}) == 2


def test_the_table_of_shared_objects_is_bounded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SHARED", 10)
    for number in range(100):
        cluster.apply_gossip(received(seq=number + 1, software=Software(release=f"v{number}")), 1000.0)
        assert len(cluster._software._shared) <= 10
    assert worker_of(cluster).release == "v99"


def test_software_can_be_compared_and_hashed() -> None:
    assert hash(V41) == hash(msgspec.structs.replace(V41)) and V41 != V42
