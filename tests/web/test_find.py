"""Single tasks in the API and in the topics of the event stream: lists with filters, and a search by id or name."""

from typing import Any

import pytest

from celery_gossip.web.selection import Selection, parse_selection
from celery_gossip.web.subject import build_tables
from celery_gossip.web.task_rows import MAX_LISTED
from celery_gossip.web.topic import Topic, parse_topic
from celery_gossip.wire.messages import RunningTask, TaskFailure, WaitingTask
from tests.unit.build import a_check
from tests.web.fake_fleet import NOW, WALL, FakeFleet
from tests.web.served import Served

ID = "9f1c2a3b-0000-4000-8000-000000000001"
NAMES = ("shop.pay", "mail", "KeyError", "app:pay:41", "shop.send")


def working(fleet: FakeFleet, hostname: str = "celery@web1", **fields: Any) -> None:
    """Report a task that runs for 40 s, one of another name for 5 s, and three that wait."""
    tasks = (RunningTask(0, 40.0, 1, False, None, 300.0), RunningTask(4, 5.0))
    check = a_check("mail", active=(ID, "run-2"), tasks=tasks, active_count=2, reserved=4, scheduled=1)
    waiting = (
        WaitingTask("wait-reserved", 0, 1, "reserved", 20.0),
        WaitingTask("wait-scheduled", 4, 1, "scheduled", 90.0, 2, 600.0),
        WaitingTask("wait-limited", 0, 1, "limited", 3.0),
    )
    counts = {"active": 3, "reserved": 4, "scheduled": 1, "limited": 1}
    fleet.report(hostname, names=NAMES, checks=(check,), **{"waiting": waiting, **counts, **fields})


def failing(fleet: FakeFleet, task_id: str, hostname: str = "celery@web1") -> None:
    failure = TaskFailure(1, 0, 1, 2, task_id, 0.0, 0.5, 1, "no stock", (3,), 0)
    fleet.report(hostname, names=NAMES, checks=(a_check("mail"),), failures=(failure,))


def found(served: Served, text: str) -> Any:
    served.fleet.clock.advance(2)
    return served.get("/api/search", params={"q": text}).json()


def test_a_running_task_is_found_by_its_id_with_where_and_since_when(served: Served) -> None:
    working(served.fleet)
    answer = found(served, ID)
    (one,) = answer["sightings"]
    assert (one["state"], one["hostname"], one["queue"], one["name"]) == ("running", "celery@web1", "mail", "shop.pay")
    assert one["since"] == pytest.approx(WALL + NOW - 40, abs=0.2)
    assert (one["retries"], one["time_limit"], one["worker_state"]) == (1, 300.0, "online")
    assert answer["names"] == []
    (coverage,) = answer["coverage"]
    assert (coverage["unlisted_running"], coverage["unlisted_waiting"], coverage["is_frozen"]) == (1, 3, False)
    assert found(served, ID[:8])["sightings"][0]["id"] == ID and found(served, ID[:7])["sightings"] == []


def test_a_waiting_task_is_found_with_its_eta(served: Served) -> None:
    working(served.fleet)
    (one,) = found(served, "wait-scheduled")["sightings"]
    assert (one["state"], one["retries"]) == ("scheduled", 2)
    assert one["due_at"] == pytest.approx(WALL + NOW + 600, abs=0.2)


def test_a_failed_task_is_found_with_its_error_and_its_group(served: Served) -> None:
    failing(served.fleet, "failed-id")
    (short,) = found(served, "failed-id")["sightings"]
    assert (short["state"], short["exception"], short["message"]) == ("failed", "KeyError", "no stock")
    assert short["traceback"] == [] and short["line"] == "app:pay:41"
    assert served.get(f"/api/failures/0/{short['group']}").json()["failure"]["count"] == 1
    (whole,) = served.get("/api/runs/0/failed-id").json()["sightings"]
    assert whole["traceback"] == ["app:pay:41"]


def test_a_task_that_is_not_listed_any_more_is_found_where_it_was_last(served: Served) -> None:
    working(served.fleet)
    found(served, ID)
    served.fleet.report("celery@web1", checks=(a_check("mail"),))
    (one,) = found(served, ID)["sightings"]
    assert (one["state"], one["was"], one["has_ended"]) == ("seen", "running", True)


def test_an_unknown_id_is_no_error_and_what_is_not_known_is_said(served: Served) -> None:
    working(served.fleet)
    found(served, ID)
    served.fleet.clock.advance(60)
    answer = served.get("/api/runs/0/no-such-task").json()
    assert answer["sightings"] == []
    assert answer["now"] and answer["coverage"]["since"] == pytest.approx(WALL + NOW + 2, abs=0.2)
    assert answer["coverage"]["unlisted_running"] == 1
    assert served.get("/api/runs/7/no-such-task").status_code == 404


def test_names_are_found_by_a_part(served: Served) -> None:
    working(served.fleet, "celery@shop1")
    served.fleet.clock.advance(2)
    names = served.get("/api/search", params={"q": "SHOP"}).json()["names"]
    assert [(one["kind"], one["name"]) for one in names] == [
        ("task", "shop.pay"),
        ("task", "shop.pack"),
        ("task", "shop.send"),
        ("worker", "celery@shop1"),
    ]
    for one in names:
        assert served.get(f"/api/{one['kind']}s/0/{one['name']}").status_code == 200


@pytest.mark.parametrize("text", [None, "", "x" * 256])
def test_a_search_for_nothing_is_refused(served: Served, text: str | None) -> None:
    answer = served.get("/api/search", params={} if text is None else {"q": text})
    assert answer.status_code == 400 and "q" in answer.json()["error"]


def test_tasks_are_listed_by_their_state_name_queue_worker_and_age(served: Served) -> None:
    working(served.fleet)
    working(served.fleet, "celery@web2", waiting=())
    served.fleet.clock.advance(2)

    def ids(**selection: str) -> list[str]:
        return [row["id"] for row in served.get("/api/runs", params=selection).json()["listed"]]

    assert ids() == ["wait-scheduled", ID, ID, "wait-reserved", "run-2", "run-2", "wait-limited"]
    assert ids(state="scheduled") == ids(task="send", min_age="60") == ids(task="wait-scheduled") == ["wait-scheduled"]
    assert ids(queue="mai", worker="web1", state="limited") == ["wait-limited"]
    assert ids(queue="x") == ids(worker="web2", state="reserved") == ids(source="1") == []
    totals = served.get("/api/runs", params={"state": "reserved"}).json()["list_totals"]
    assert (totals["total"], totals["unlisted_running"], totals["unlisted_waiting"]) == (1, 2, 3 + 6)
    assert totals["states"] == {"running": 4, "reserved": 1, "scheduled": 1, "limited": 1}


@pytest.mark.parametrize("selection", [{"state": "lost"}, {"min_age": "-1"}, {"min_age": "x"}, {"task": "x" * 256}])
def test_a_selection_in_a_query_that_is_none_is_refused(served: Served, selection: dict[str, str]) -> None:
    assert served.get("/api/runs", params=selection).status_code == 400


def tables(fleet: FakeFleet, sampler: Any, topic: str) -> Any:
    return build_tables(parse_topic(topic), {"0": sampler.sample()}, {"0": fleet})


def listed(query: str) -> list[str]:
    fleet = FakeFleet()
    working(fleet)
    working(fleet, "celery@web2", waiting=())
    return [row.id for row in tables(fleet, fleet.sampler(), f"runs:{query}")["listed"].values()]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["wait-scheduled", ID, ID, "wait-reserved", "run-2", "run-2", "wait-limited"]),
        ("state=running", [ID, ID, "run-2", "run-2"]),
        ("state=running&worker=WEB1", [ID, "run-2"]),
        ("task=Send", ["wait-scheduled", "run-2", "run-2"]),
        ("task=9f1c2a3b", [ID, ID]),
        ("min_age=30", ["wait-scheduled", ID, ID]),
        ("queue=ai&state=reserved", ["wait-reserved"]),
        ("queue=other", []),
        ("source=1", []),
        ("source=0&state=limited", ["wait-limited"]),
    ],
)
def test_the_list_of_a_topic_is_filtered(query: str, ids: list[str]) -> None:
    assert listed(query) == ids


def test_the_list_has_a_limit_and_counts_what_it_leaves_out() -> None:
    fleet = FakeFleet()
    for number in range(8):
        ids = tuple(f"id-{number}-{at}" for at in range(100))
        details = tuple(RunningTask(0, float(at)) for at in range(100))
        check = a_check("mail", active=ids, tasks=details, active_count=150)
        fleet.report(f"celery@w{number}", names=NAMES, checks=(check,), active=150)
    built = tables(fleet, fleet.sampler(), "runs:min_age=10")
    assert len(built["listed"]) == MAX_LISTED
    assert min(row.since for row in built["listed"].values()) == pytest.approx(WALL + NOW - 99, abs=0.2)
    totals = built["list_totals"][""]
    assert (totals.total, totals.states) == (720, {"running": 720})
    assert (totals.unlisted_running, totals.unlisted_waiting) == (400, 0)


@pytest.mark.parametrize("query", ["state=lost", "min_age=-1", "min_age=x", "min_age=nan", "min_age=inf", "mood=1"])
def test_a_selection_that_is_none_is_refused_with_what_was_expected(query: str) -> None:
    with pytest.raises(ValueError, match=r"^topic: .*expected .*, got "):
        parse_topic(f"runs:{query}")


@pytest.mark.parametrize("topic", ["runs", "runs:a b", "runs:é", "run:", "run:0", "runs:state=running\n"])
def test_what_is_no_topic_of_tasks_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"^topic: expected "):
        parse_topic(topic)


def test_a_selection_is_decoded_from_its_address() -> None:
    assert parse_selection("task=a%2Fb+c&queue=%C3%BC&min_age=1.5") == Selection(task="a/b c", queue="ü", min_age=1.5)
    assert parse_selection("") == Selection()


def test_the_rows_of_a_list_change_only_if_something_happens() -> None:
    fleet = FakeFleet()
    working(fleet)
    sampler = fleet.sampler()
    topic = Topic(1, tables(fleet, sampler, "runs:"))
    for second in range(5):
        fleet.clock.advance(1.1)
        aged = (RunningTask(0, 40.0 + second + 1, 1, False, None, 300.0), RunningTask(4, 6.0 + second))
        check = a_check("mail", active=(ID, "run-2"), tasks=aged, active_count=2)
        waiting = (
            WaitingTask("wait-reserved", 0, 1, "reserved", 21.0 + second),
            WaitingTask("wait-scheduled", 4, 1, "scheduled", 91.0 + second, 2, 599.0 - second),
            WaitingTask("wait-limited", 0, 1, "limited", 4.0 + second),
        )
        counts = {"active": 3, "reserved": 4, "scheduled": 1, "limited": 1}
        fleet.report(names=NAMES, checks=(check,), waiting=waiting, **counts)
        assert topic.diff_to(tables(fleet, sampler, "runs:")) is None
    fleet.report(names=NAMES, checks=(a_check("mail"),))
    change = topic.diff_to(tables(fleet, sampler, "runs:"))
    assert change is not None and b'"del"' in change


def test_the_topic_of_one_task_follows_it_and_is_empty_for_an_unknown_source() -> None:
    fleet = FakeFleet()
    working(fleet)
    sampler = fleet.sampler()
    (row,) = tables(fleet, sampler, f"run:0/{ID}")["sightings"].values()
    assert row.state == "running"
    fleet.clock.advance(1)
    fleet.report("celery@web1", checks=(a_check("mail"),))
    built = tables(fleet, sampler, f"run:0/{ID}")
    assert [one.state for one in built["sightings"].values()] == ["seen"]
    assert built["coverage"]["0"].since is not None
    assert tables(fleet, sampler, "run:0/none")["sightings"] == {}
    assert tables(fleet, sampler, "run:7/x") == {"sightings": {}, "coverage": {}}


def test_a_task_name_that_only_waits_has_a_row() -> None:
    fleet = FakeFleet()
    fleet.report(
        names=NAMES, checks=(a_check("mail"),), waiting=(WaitingTask("id", 4, 1, "reserved", 5.0),), reserved=1
    )
    sampler = fleet.sampler()
    assert "0/shop.send" in tables(fleet, sampler, "tasks")["tasks"]
    assert tables(fleet, sampler, "task:0/shop.send")["task"]
