"""What the oracle of the random workload expects, on records written by hand."""

from collections.abc import Iterator, Mapping

import pytest

from tests.workload.history import History
from tests.workload.oracle import Counted, Difference, compare, expect

SUCCESS = {"accepted": 11.0, "began 20": 11.0, "ended succeeded": 12.0, "returned succeeded": 12.1}


def lines(*events: tuple[float, str]) -> Iterator[str]:
    """A record of one worker whose main process is 10, with one run that was received at 10 and sent at 9."""
    head = [(1.0, "boot b w1@host 10"), (10.0, "received b.1 b q task id 9.0 ")]
    for at, text in sorted([*head, *events]):
        what, *fields = text.split(" ")
        yield "\t".join((what, str(at), *fields))


def history(steps: Mapping[str, float], *more: tuple[float, str], reported_at: float | None = None) -> History:
    """Steps of that run, `{what and a field: Unix seconds}`, and more lines."""
    made = History()
    events = [(at, " ".join((text.split(" ")[0], "b.1", *text.split(" ")[1:]))) for text, at in steps.items()]
    made.add(lines(*events, *more))
    made.note_reports({} if reported_at is None else {"w1@host": [reported_at]})
    return made


def bounds_of(made: History) -> dict[str, tuple[float, float]]:
    """Of the counts, but for sums of seconds."""
    bounds = expect(made).bounds
    return {what: (each.low, each.high) for (_, _, what), each in bounds.items() if what not in ("wait", "runtime")}


def outcomes_in(made: History) -> dict[str, tuple[float, float]]:
    others = ("received", "started", "waits", "runtimes")
    return {what: bounds for what, bounds in bounds_of(made).items() if what not in others}


def test_a_success_counts_in_every_way() -> None:
    names = ("received", "started", "waits", "succeeded", "runtimes")
    assert bounds_of(history(SUCCESS)) == dict.fromkeys(names, (1, 1))


@pytest.mark.parametrize(
    ("ended", "returned", "outcome"),
    [
        ("failed:Mishap", "raised", "failed:Mishap"),
        ("retried", "raised", "retried"),
        ("rejected", "raised", "rejected"),
        ("left", "SystemExit", "failed:WorkerLostError"),
    ],
)
def test_an_end_by_itself_is_what_the_task_recorded(ended: str, returned: str, outcome: str) -> None:
    steps = {"accepted": 11.0, "began 20": 11.0, f"ended {ended}": 12.0, f"returned {returned}": 12.1}
    assert outcomes_in(history(steps)) == {outcome: (1, 1)}


def test_an_ignored_task_has_no_end_and_no_runtime() -> None:
    steps = {"accepted": 11.0, "began 20": 11.0, "ended ignored": 12.0, "returned raised": 12.1}
    assert bounds_of(history(steps)) == {"received": (1, 1), "started": (1, 1), "waits": (1, 1)}


def test_a_task_that_is_revoked_before_its_start_is_revoked_and_not_started() -> None:
    assert bounds_of(history({"revoked": 11.0})) == {"received": (1, 1), "revoked": (1, 1)}


def test_a_task_ends_once_also_if_it_is_revoked_after_its_end() -> None:
    assert outcomes_in(history({**SUCCESS, "revoked": 13.0})) == {"succeeded": (1, 1)}
    assert outcomes_in(history({"accepted": 11.0, "began 20": 11.0, "returned nothing": 12.0, "revoked": 12.1})) == {
        "revoked": (1, 1)
    }


def test_a_hard_limit_is_a_failure_unless_the_message_is_requeued() -> None:
    steps = {"accepted": 11.0, "began 20": 11.0, "limit": 12.0, "returned TimeLimitExceeded": 12.0}
    assert outcomes_in(history(steps)) == {"failed:TimeLimitExceeded": (1, 1)}
    assert outcomes_in(history({**steps, "requeued": 12.0})) == {"rejected": (1, 1)}
    del steps["limit"]  # in a cold shutdown
    assert outcomes_in(history(steps, (11.5, "gone w1@host warm"))) == {}


def test_a_killed_child_is_a_failure_without_a_runtime() -> None:
    steps = {"accepted": 11.0, "began 20": 11.0, "returned WorkerLostError": 12.0}
    made = history(steps)
    assert outcomes_in(made) == {"failed:WorkerLostError": (1, 1)}
    assert "runtimes" not in bounds_of(made)
    assert outcomes_in(history({**steps, "requeued": 12.0})) == {"rejected": (1, 1)}


def test_what_is_cancelled_has_no_end_unless_it_ends_by_itself() -> None:
    cancelled = {"accepted": 11.0, "began 20": 11.0, "cancelled": 11.5}
    cut = (11.4, "cut w1@host")
    assert outcomes_in(history({**cancelled, "returned Terminated": 12.0}, cut)) == {}
    assert outcomes_in(history({**cancelled, "returned nothing": 12.0}, cut)) == {}
    assert outcomes_in(history({**SUCCESS, "cancelled": 11.5}, cut)) == {"succeeded": (1, 1)}


def test_an_end_of_which_the_main_process_was_not_told_counts_unless_something_came_between() -> None:
    untold = {key: at for key, at in SUCCESS.items() if not key.startswith("returned")}
    assert outcomes_in(history(untold)) == {"succeeded": (1, 1)}
    assert outcomes_in(history(untold, (11.5, "cut w1@host"))) == {}


def test_a_child_that_begins_after_the_connection_was_lost_is_not_counted_as_started() -> None:
    unseen = {"began 20": 11.0, "ended succeeded": 12.0}
    assert bounds_of(history(unseen, (10.5, "cut w1@host"))) == {"received": (1, 1)}
    assert bounds_of(history(unseen, (9.0, "cut w1@host")))["started"] == (1, 1)


def test_an_end_that_celery_decides_by_chance_may_be_missing() -> None:
    lost = {"accepted": 11.0, "began 20": 11.0, "cancelled": 11.5, "returned WorkerLostError": 12.0}
    assert outcomes_in(history(lost, (11.4, "cut w1@host"))) == {"failed:WorkerLostError": (0, 1)}


def test_a_retry_that_cannot_be_sent_is_a_rejection_whatever_the_task_recorded() -> None:
    steps = {"accepted": 11.0, "began 20": 11.0, "ended failed:Mishap": 12.0, "returned Reject": 12.1}
    assert outcomes_in(history(steps)) == {"rejected": (1, 1)}


def test_an_error_of_celery_before_the_task_began_is_a_failure_by_its_class() -> None:
    assert outcomes_in(history({"accepted": 11.0, "returned raised:RuntimeError": 11.1})) == {
        "failed:RuntimeError": (1, 1)
    }


def test_what_a_child_runs_after_its_main_process_has_forgotten_it_counts_for_nothing() -> None:
    steps = {"began 20": 11.0, "ended succeeded": 12.0}
    assert bounds_of(history(steps, (10.5, "cut w1@host"))) == {"received": (1, 1)}
    assert bounds_of(history(steps))["succeeded"] == (1, 1)


@pytest.mark.parametrize(
    ("how", "reported_at", "least"),
    [("warm", None, 1), ("kill", 12.0, 0), ("kill", 13.0, 1), ("kill", None, 0), ("cold", 12.0, 0)],
)
def test_what_a_killed_worker_had_not_reported_yet_may_be_missing(
    how: str, reported_at: float | None, least: int
) -> None:
    made = history(SUCCESS, (20.0, f"gone w1@host {how}"), reported_at=reported_at)
    assert outcomes_in(made) == {"succeeded": (least, 1)}
    assert bool(expect(made).reasons) == (not least)


def test_unknown_tasks_and_messages_that_are_no_tasks_are_expected() -> None:
    made = history({"revoked": 11.0}, (12.0, "unknown b q missing"), (12.0, "dropped b"), (13.0, "dropped b"))
    bounds = expect(made).bounds
    assert bounds["q", "missing", "received"].low == bounds["q", "missing", "failed:NotRegistered"].high == 1
    assert bounds["", "", "undecodable"].low == 2


def test_seconds_are_compared_in_sum() -> None:
    expected = expect(history(SUCCESS))
    right = {"received": 1, "started": 1, "waits": 1, "succeeded": 1, "runtimes": 1}
    assert compare(expected, {("q", "task"): Counted(right, runtime=1.05, wait=1.98)}, 0) == []
    late = compare(expected, {("q", "task"): Counted(right, runtime=1.05, wait=9.0)}, 0)
    assert [each.what for each in late] == ["wait"]


def test_a_count_too_many_or_too_few_is_a_difference() -> None:
    expected = expect(history(SUCCESS))
    counted = {"received": 1, "started": 1, "waits": 1, "failed:Mishap": 1, "runtimes": 1}
    found = compare(expected, {("q", "task"): Counted(counted, runtime=1.0, wait=2.0)}, 0)
    assert found == [
        Difference("q", "task", "failed:Mishap", 0, 0, 1),
        Difference("q", "task", "succeeded", 1, 1, 0),
    ]
    assert [each.excess for each in found] == [1, -1]


def test_a_run_is_open_until_its_end_or_its_workers() -> None:
    assert [run.name for run in history({}).open_runs()] == ["b.1"]
    assert history(SUCCESS).open_runs() == []
    assert history({"accepted": 11.0}, (12.0, "gone w1@host kill")).open_runs() == []
    assert history({}, (12.0, "cut w1@host")).open_runs() == []
    assert history({"accepted": 13.0}, (12.0, "cut w1@host")).open_runs() != []


def test_an_earlier_process_of_the_same_hostname_keeps_its_own_reports() -> None:
    made = history(SUCCESS, (20.0, "gone w1@host kill"), (30.0, "boot c w1@host 11"))
    made.note_reports({"w1@host": [15.0, 35.0]})
    assert [made.boots[name].reported_at for name in "bc"] == [15.0, 35.0]
