"""Tasks are found by their id wherever they are, and nothing is claimed that no report says."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.task_history import TaskHistory
from celery_gossip.cluster.task_search import MIN_PREFIX, Coverage, FoundName, coverage_of, find_names, find_tasks
from celery_gossip.cluster.task_sighting import Sighting
from celery_gossip.wire.messages import RunningTask, TaskFailure, WaitingTask
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip

ID = "9f1c2a3b-0000-4000-8000-000000000001"
NAMES = ("shop.pay", "mail", "KeyError", "app:pay:41")


class Fleet:
    """A cluster whose workers report, and a history that sees each view."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.history = TaskHistory()
        self._seqs: Counter[tuple[str, str]] = Counter()

    def report(self, hostname: str = "w1", boot: str = BOOT, **fields: Any) -> None:
        self._seqs[hostname, boot] += 1
        values = {"names": NAMES, "checks": (a_check("mail"),), **fields}
        gossip = a_gossip(hostname=hostname, boot=boot, seq=self._seqs[hostname, boot], **values)
        self.cluster.apply_gossip(gossip, self.clock.now)
        self.observe()

    def run(self, *ids: str, count: int | None = None, **fields: Any) -> None:
        """Report that these tasks run, in their 40th second."""
        details = tuple(RunningTask(0, 40.0, 2, True, None, 300.0) for _ in ids)
        active = len(ids) if count is None else count
        check = a_check("mail", active=ids, tasks=details, active_count=active)
        self.report(checks=(check,), active=active, **fields)

    def wait(self, state: Any, task_id: str = ID, **fields: Any) -> None:
        """Report that a task waits, for 7 s so far."""
        due_in = 60.0 if state == "scheduled" else None
        counts = {"limited": 1} if state == "limited" else {state: 1}
        self.report(waiting=(WaitingTask(task_id, 0, 1, state, 7.0, 1, due_in),), **counts, **fields)

    def fail(self, task_id: str = ID, **fields: Any) -> None:
        failure = TaskFailure(1, 0, 1, 2, task_id, age=0.5, runtime=3.0, retries=2, message="no", frames=(3,))
        self.report(failures=(failure,), **fields)

    def fall_silent(self) -> None:
        """Let the worker's reports stop until it is lost."""
        for _ in range(20):
            self.clock.advance(1)
            self.cluster.expire_silent_workers(self.clock.now)
            self.observe()

    def observe(self) -> None:
        self.history.observe(self.cluster.view())

    def find(self, text: str = ID, *, with_history: bool = True) -> tuple[Sighting, ...]:
        return find_tasks(self.cluster.view(), text, self.cluster.failures(), self.history if with_history else None)

    def coverage(self) -> Coverage:
        return coverage_of(self.cluster.view(), self.history, 995.0)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def shown(found: tuple[Sighting, ...]) -> list[tuple[str, str, str, str]]:
    return [(one.state, one.was, one.hostname, one.worker_state) for one in found]


CASES: dict[str, tuple[Callable[[Fleet], None], list[tuple[str, str, str, str]]]] = {
    "running": (lambda fleet: fleet.run("other", ID), [("running", "", "w1", "online")]),
    "reserved": (lambda fleet: fleet.wait("reserved"), [("reserved", "", "w1", "online")]),
    "scheduled": (lambda fleet: fleet.wait("scheduled"), [("scheduled", "", "w1", "online")]),
    "rate limited": (lambda fleet: fleet.wait("limited"), [("limited", "", "w1", "online")]),
    "failed": (lambda fleet: fleet.fail(), [("failed", "", "w1", "online")]),
    "on two workers": (
        lambda fleet: (fleet.run(ID), fleet.run(ID, hostname="w2"))[0],
        [("running", "", "w1", "online"), ("running", "", "w2", "online")],
    ),
    "failed and run again": (
        lambda fleet: (fleet.fail(), fleet.run(ID, hostname="w2"))[0],
        [("running", "", "w2", "online"), ("failed", "", "w1", "online")],
    ),
    "lost with its worker": (
        lambda fleet: (fleet.run(ID), fleet.fall_silent())[0],
        [("lost", "running", "w1", "lost")],
    ),
    "lost while it waited": (
        lambda fleet: (fleet.wait("reserved"), fleet.fall_silent())[0],
        [("lost", "reserved", "w1", "lost")],
    ),
    "stopped with its worker": (
        lambda fleet: fleet.run(ID, state="offline"),
        [("stopped", "running", "w1", "offline")],
    ),
    "ended": (lambda fleet: (fleet.run(ID), fleet.run("other"))[0], [("seen", "running", "w1", "online")]),
    "not waiting any more": (
        lambda fleet: (fleet.wait("scheduled"), fleet.report())[0],
        [("seen", "scheduled", "w1", "online")],
    ),
    "of another id": (lambda fleet: fleet.run("other"), []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_task_is_found_by_its_id(fleet: Fleet, name: str) -> None:
    happen, expected = CASES[name]
    happen(fleet)
    assert shown(fleet.find()) == expected


def test_a_running_task_has_its_details_and_times(fleet: Fleet) -> None:
    fleet.clock.advance(5)
    fleet.run(ID)
    (found,) = fleet.find()
    assert (found.name, found.queue, found.since, found.seen_at) == ("shop.pay", "mail", 965.0, 1005.0)
    assert (found.retries, found.is_redelivered, found.soft_time_limit, found.time_limit) == (2, True, None, 300.0)


def test_a_scheduled_task_has_its_eta(fleet: Fleet) -> None:
    fleet.wait("scheduled")
    (found,) = fleet.find()
    assert (found.since, found.due_at, found.retries, found.queue) == (993.0, 1060.0, 1, "mail")


def test_a_failure_has_its_error_and_times(fleet: Fleet) -> None:
    fleet.fail()
    (found,) = fleet.find()
    assert (found.seen_at, found.since) == (999.5, 996.5)
    assert found.failure is not None
    assert (found.failure.exception, found.failure.message, found.failure.traceback) == ("KeyError", "no", (NAMES[3],))


def test_the_stack_of_a_stalled_worker_comes_with_its_task(fleet: Fleet) -> None:
    fleet.run(ID, stalled_for=9.0, stack=("app:pay:41",))
    assert fleet.find()[0].stack == ("app:pay:41",)


def test_the_beginning_of_an_id_is_enough_if_it_is_long_enough(fleet: Fleet) -> None:
    fleet.run(ID, "9f1c2a3b-other", "short")
    assert len(fleet.find(ID[:MIN_PREFIX])) == 2
    assert fleet.find(ID[: MIN_PREFIX - 1]) == () == fleet.find("") == fleet.find("f1c2a3b-0000")
    assert [one.id for one in fleet.find("short")] == ["short"]


def test_an_exact_search_finds_nothing_by_a_beginning(fleet: Fleet) -> None:
    fleet.run(ID, f"{ID}-2")
    assert [one.id for one in find_tasks(fleet.cluster.view(), ID, is_exact=True)] == [ID]


def test_the_results_are_limited(fleet: Fleet) -> None:
    fleet.run(*(f"{ID}{number}" for number in range(80)))
    assert len(fleet.find()) == 50


def test_a_task_without_details_is_found_too(fleet: Fleet) -> None:
    fleet.report(names=(), checks=(a_check("mail", active=(ID,), active_count=1),), active=1)
    (found,) = fleet.find()
    assert (found.name, found.since, found.retries, found.is_redelivered) == ("", None, None, None)


@pytest.mark.parametrize(
    ("counted", "state", "has_ended"), [(1, "online", True), (2, "online", False), (1, "offline", False)]
)
def test_a_task_has_ended_only_if_its_worker_lists_everything_that_it_runs(
    fleet: Fleet, counted: int, state: str, has_ended: bool
) -> None:
    fleet.run(ID)
    fleet.clock.advance(1)
    fleet.run("other", count=counted, state=state)
    (found,) = fleet.find()
    assert (found.state, found.was, found.has_ended, found.seen_at) == ("seen", "running", has_ended, 1000.0)


def test_a_waiting_task_that_is_not_listed_any_more_may_still_be_there(fleet: Fleet) -> None:
    fleet.wait("reserved")
    fleet.clock.advance(1)
    fleet.report()
    assert fleet.find()[0].has_ended is False


def test_a_task_of_an_instance_that_was_replaced_is_lost_and_later_news_come_first(fleet: Fleet) -> None:
    fleet.run(ID, "other")
    fleet.fall_silent()
    fleet.report(boot=OTHER_BOOT)
    assert shown(fleet.find(with_history=False)) == [("lost", "running", "w1", "online")]
    assert {one.state for one in fleet.find()} == {"lost"}
    fleet.run(ID, hostname="w2")
    assert [one.state for one in fleet.find()] == ["running", "lost"]
    fleet.clock.advance(1)
    fleet.report("w2")
    found = fleet.find()
    assert [(one.state, one.hostname) for one in found] == [("seen", "w2"), ("lost", "w1")]


def test_a_lost_task_is_remembered_when_its_worker_has_left_the_view(fleet: Fleet) -> None:
    fleet.run(ID)
    fleet.fall_silent()
    fleet.clock.advance(700)
    fleet.cluster.expire_silent_workers(fleet.clock.now)
    fleet.observe()
    assert fleet.cluster.view().workers == ()
    assert shown(fleet.find()) == [("lost", "running", "w1", "")]
    assert fleet.find(with_history=False) == ()


def test_a_worker_that_was_silent_only_for_a_while_has_lost_nothing(fleet: Fleet) -> None:
    fleet.run(ID)
    fleet.fall_silent()
    fleet.report()
    assert shown(fleet.find()) == [("seen", "running", "w1", "online")]


def test_what_is_remembered_is_limited_and_the_coverage_says_so(fleet: Fleet) -> None:
    fleet.history = TaskHistory(max_remembered=3)
    for number in range(6):
        fleet.clock.advance(10)
        fleet.run(f"{ID}-{number}")
    assert sorted(one.id[-1] for one in fleet.find()) == ["2", "3", "4", "5"]
    assert fleet.coverage().seconds == fleet.clock.now - 1020.0


def test_the_coverage_counts_what_no_report_lists(fleet: Fleet) -> None:
    assert fleet.coverage() == Coverage(seconds=None, unlisted_running=0, unlisted_waiting=0, is_frozen=False)
    fleet.clock.advance(30)
    fleet.observe()
    fleet.run(ID, count=5)
    fleet.wait("reserved", hostname="w2", scheduled=10)
    fleet.clock.advance(60)
    assert fleet.coverage() == Coverage(seconds=60.0, unlisted_running=4, unlisted_waiting=10, is_frozen=False)
    assert coverage_of(fleet.cluster.view()).seconds is None


def test_tasks_that_were_missed_while_the_view_was_isolated_are_not_vouched_for(fleet: Fleet) -> None:
    fleet.run(ID)
    fleet.cluster.set_isolated(fleet.clock.now)
    fleet.observe()
    assert (fleet.coverage().seconds, fleet.coverage().is_frozen) == (None, True)
    fleet.clock.advance(60)
    fleet.cluster.clear_isolated(fleet.clock.now)
    fleet.observe()
    fleet.clock.advance(5)
    assert fleet.coverage().seconds == 5.0


def test_names_are_found_by_a_part_of_them(fleet: Fleet) -> None:
    fleet.report("celery@mail1", checks=(a_check("mail"), a_check("email"), a_check("other")))
    tasks = ("shop.Mailing", "shop.mail", "mail", "shop.pay")

    def names(text: str, **options: Any) -> list[tuple[str, str]]:
        return [(one.kind, one.name) for one in find_names(fleet.cluster.view(), text, tasks, **options)]

    assert names("MAIL") == [
        ("task", "mail"),
        ("task", "shop.mail"),
        ("task", "shop.Mailing"),
        ("queue", "mail"),
        ("queue", "email"),
        ("worker", "celery@mail1"),
    ]
    assert names("mail", limit=1) == [("task", "mail"), ("queue", "mail"), ("worker", "celery@mail1")]
    assert names("nothing") == []
    assert FoundName(kind="queue", name="other") in find_names(fleet.cluster.view(), "other")


def test_waiting_tasks_are_listed_by_the_view(fleet: Fleet) -> None:
    fleet.wait("scheduled")
    fleet.wait("reserved", task_id="id-2", hostname="w2")
    fleet.clock.advance(2)
    view = fleet.cluster.view()
    (found,) = view.waiting(state="scheduled")
    assert (found.id, found.name, found.queue, found.hostname) == (ID, "shop.pay", "mail", "w1")
    assert (found.age, found.retries, found.due_in) == (9.0, 1, 58.0)
    assert [one.id for one in view.waiting("id-2")] == [one.id for one in view.waiting(hostname="w2")] == ["id-2"]
    assert len(list(view.waiting("shop.pay", queue="mail"))) == 2 and not list(view.waiting(queue="x"))
    fleet.fall_silent()
    assert not list(fleet.cluster.view().waiting())
