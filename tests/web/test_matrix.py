"""The matrix: which worker serves which queue, by set of queues, host or worker."""

from typing import Any

import pytest

from celery_gossip.web.matrix import GROUPINGS, matrix_queues, matrix_rows
from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import Topic, parse_topic
from celery_gossip.wire.messages import QueueCheck, Resources
from tests.unit.build import OTHER_BOOT, a_check
from tests.web.fake_fleet import FakeFleet
from tests.web.served import Served


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def rows_of(fleet: FakeFleet, grouping: Any) -> dict[str, Any]:
    return {row.name: row for row in matrix_rows([fleet.sampler().sample()], grouping).values()}


def cells_of(row: Any) -> dict[str, tuple[int, ...]]:
    return dict(zip(row.queues, row.cells, strict=True))


def busy(queue: str, active: int = 0, reserved: int = 0, *, paused: bool = False) -> QueueCheck:
    return a_check(queue, active_count=active, reserved=reserved, paused=paused)


def three_workers(fleet: FakeFleet) -> None:
    fleet.report("a@web1", concurrency=4, active=3, reserved=7, checks=(busy("mail", 1, 5), busy("bulk", 2, 2)))
    fleet.report("a@web2", concurrency=8, active=8, checks=(busy("bulk", 8, paused=True), busy("mail")))
    fleet.report("b@web2", concurrency=2, active=1, checks=(busy("reports", 1),))


def test_workers_with_the_same_queues_are_one_row(fleet: FakeFleet) -> None:
    three_workers(fleet)
    rows = rows_of(fleet, "queues")
    assert set(rows) == {"a@web*", "b@web2"}
    both = rows["a@web*"]
    assert (both.workers, both.states, both.slots, both.active, both.reserved) == (2, {"online": 2}, 12, 11, 7)
    assert both.hostnames == ("a@web1", "a@web2") and both.hostname == ""
    assert cells_of(both) == {"mail": (2, 0, 12, 1, 5), "bulk": (2, 1, 4, 10, 2)}
    assert rows["b@web2"].hostname == "b@web2" and cells_of(rows["b@web2"]) == {"reports": (1, 0, 2, 1, 0)}


def test_workers_of_one_host_are_one_row(fleet: FakeFleet) -> None:
    three_workers(fleet)
    rows = rows_of(fleet, "host")
    assert {name: row.workers for name, row in rows.items()} == {"web1": 1, "web2": 2}
    assert cells_of(rows["web2"]) == {"bulk": (1, 1, 0, 8, 0), "mail": (1, 0, 8, 0, 0), "reports": (1, 0, 2, 1, 0)}


def test_each_worker_is_a_row_and_has_the_key_of_its_set(fleet: FakeFleet) -> None:
    three_workers(fleet)
    rows, sets = rows_of(fleet, "worker"), rows_of(fleet, "queues")
    assert set(rows) == {"a@web1", "a@web2", "b@web2"}
    assert rows["a@web1"].queue_set == rows["a@web2"].queue_set == sets["a@web*"].key != rows["b@web2"].queue_set
    assert cells_of(rows["a@web1"]) == {"mail": (1, 0, 4, 1, 5), "bulk": (1, 0, 4, 2, 2)}


def test_a_worker_that_is_gone_has_no_slots_and_its_queue_no_worker(fleet: FakeFleet) -> None:
    three_workers(fleet)
    fleet.report("b@web2", state="offline", checks=(busy("reports"),))
    row = rows_of(fleet, "worker")["b@web2"]
    assert (row.states, row.slots, cells_of(row)) == ({"offline": 1}, 0, {"reports": (0, 0, 0, 0, 0)})
    columns = {column.name: column for column in matrix_queues([fleet.sampler().sample()]).values()}
    assert {name: column.workers for name, column in columns.items()} == {"bulk": 2, "mail": 2, "reports": 0}
    assert (columns["bulk"].paused, columns["bulk"].slots, columns["bulk"].active) == ("partly", 4, 10)


def test_a_queue_in_which_messages_wait_is_a_column_without_a_worker(fleet: FakeFleet) -> None:
    three_workers(fleet)
    fleet.cluster.set_queue_lengths({"nobody": 7, "mail": 3}, fleet.clock.now)
    columns = {column.name: column for column in matrix_queues([fleet.sampler().sample()]).values()}
    assert (columns["nobody"].workers, columns["nobody"].backlog, columns["mail"].backlog) == (0, 7, 3)


def test_a_stalled_worker_has_no_slots_and_the_longest_delay_and_fullest_memory_are_shown(fleet: FakeFleet) -> None:
    fleet.report("a@w", stalled_for=12.345, resources=Resources(memory_limit=100, memory_used=93), concurrency=4)
    fleet.report("b@w", loop_lag=0.5, resources=Resources(memory_limit=100, memory_used=20), concurrency=2)
    row = rows_of(fleet, "host")["w"]
    assert (row.slots, row.lag, row.memory_share, row.states) == (2, 12.35, 0.93, {"stalled": 1, "online": 1})
    fleet.report("c@x")
    assert rows_of(fleet, "host")["x"].memory_share is None


def test_two_instances_with_one_name_count_both(fleet: FakeFleet) -> None:
    for _ in range(12):
        for boot in ("0123456789abcdef", OTHER_BOOT):
            fleet.report("a@w", boot=boot, concurrency=3, checks=(busy("mail", 1),), active=1)
        fleet.cluster.expire_silent_workers(fleet.clock.now)
        fleet.clock.advance(1)
    row = rows_of(fleet, "worker")["a@w"]
    assert row.states == {"conflict": 1} and cells_of(row) == {"mail": (2, 0, 6, 2, 0)}


@pytest.mark.parametrize(
    ("hostnames", "name"),
    [
        (("a@1", "b@1"), "a@1 and 1 more"),
        (("celery@web1", "celery@web12", "celery@web2"), "celery@web*"),
        (("celery@a", "celery@b"), "celery@*"),
        (("web@1", "web@1.local"), "web@1*"),
    ],
)
def test_a_row_of_several_workers_is_named_by_what_their_names_have_in_common(
    fleet: FakeFleet, hostnames: tuple[str, ...], name: str
) -> None:
    for hostname in hostnames:
        fleet.report(hostname, checks=(busy("mail"),))
    assert list(rows_of(fleet, "queues")) == [name]


def test_the_matrix_has_a_route_and_topics_of_each_grouping(served: Served) -> None:
    served.fleet.report("a@web1", checks=(busy("mail", 2, 9),), active=2)
    served.fleet.clock.advance(2)
    answer = served.get("/api/matrix").json()
    assert {column["name"] for column in answer["matrix_queues"]} >= {"mail"}
    hosts = served.get("/api/matrix", params={"group": "host"}).json()["matrix"]
    (host,) = [row for row in hosts if row["key"] == "web1" and "a@web1" in row["hostnames"]]
    assert "mail" in host["queues"]
    refused = served.get("/api/matrix", params={"group": "moon"})
    assert refused.status_code == 400
    assert "queues, host, worker" in refused.json()["error"]
    for grouping in GROUPINGS:
        assert parse_topic(f"matrix:{grouping}").source == grouping
    for topic in ("matrix", "matrix:", "matrix:moon", "matrix:host/x"):
        with pytest.raises(ValueError, match="matrix:queues"):
            parse_topic(topic)


def test_only_what_changed_is_sent(fleet: FakeFleet) -> None:
    three_workers(fleet)
    sampler = fleet.sampler()

    def tables() -> Any:
        return build_tables(parse_topic("matrix:worker"), {"0": sampler.sample()}, {"0": fleet})

    topic = Topic(1, tables())
    fleet.clock.advance(1)
    assert topic.diff_to(tables()) is None
    fleet.report("b@web2", concurrency=2, active=2, checks=(busy("reports", 2),))
    change = (topic.diff_to(tables()) or b"").decode()
    assert '"b@web2"' not in change.replace('"0/b@web2"', "") and '"cells":[[1,0,2,2,0]]' in change
    assert "a@web1" not in change and '"queues"' not in change
