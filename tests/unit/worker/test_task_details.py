"""Details of running and waiting tasks: names, ages, retries, limits. Requests are those that Celery builds."""

import json
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request

from celery_gossip.wire.messages import RunningTask, TaskCount
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.task_details import TaskDetails
from tests.unit.build import FakeClock

NOW, UNIX = 500.0, 1_700_000_000.0

app = Celery("details", set_as_current=False)


@app.task(name="shop.pack", soft_time_limit=30, time_limit=60)
def pack() -> None: ...


@app.task(name="shop.unlimited")
def unlimited() -> None: ...


def a_request(task: Any = unlimited, cls: type = Request, *, redelivered: Any = False, **headers: Any) -> Any:
    """Return the request that a worker builds for a message with these headers."""
    headers = {"id": "id-1", "task": task.name, "retries": 0, "timelimit": [None, None], **headers}
    message = SimpleNamespace(
        headers=headers,
        body=json.dumps([[], {}, {}]),
        payload=[[], {}, {}],
        properties={},
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={"exchange": "", "routing_key": "mail", "redelivered": redelivered},
    )
    return cls(message, app=app, task=task)


def details() -> TaskDetails:
    return TaskDetails(FakeClock(UNIX), FakeClock(NOW))


def test_a_running_task_has_its_name_age_retries_and_limits() -> None:
    request = a_request(pack, retries=2, redelivered=True)
    request.time_start = UNIX - 12.34
    one = details()
    assert one.running(request) == RunningTask(
        name=0, age=12.3, retries=2, is_redelivered=True, soft_time_limit=30.0, time_limit=60.0
    )
    assert one.names == ("shop.pack",)


def test_limits_of_a_message_come_before_those_of_its_task() -> None:
    found = details().running(a_request(pack, timelimit=[5, 2.5]))
    assert (found.soft_time_limit, found.time_limit) == (2.5, 5.0)
    found = details().running(a_request(pack, timelimit=[None, 2]))
    assert (found.soft_time_limit, found.time_limit) == (2.0, 60.0)


def test_the_name_is_that_of_the_task_and_not_its_shadow() -> None:
    one = details()
    one.running(a_request(shadow="something else"))
    assert one.names == ("shop.unlimited",)


def test_tasks_of_one_name_share_their_entry() -> None:
    one = details()
    assert [one.running(request).name for request in (a_request(), a_request(pack), a_request())] == [0, 1, 0]
    assert one.names == ("shop.unlimited", "shop.pack")


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({"timelimit": ["5", "x"]}, (None, None)),
        ({"timelimit": "many"}, (None, None)),
        ({"timelimit": [True, True]}, (None, None)),
        ({"timelimit": [-1, float("nan")]}, (None, None)),
        ({"timelimit": [10**400, 1e300]}, (None, None)),
        ({"timelimit": [float("inf"), 0]}, (None, None)),
        ({"timelimit": {"soft": 1}}, (None, None)),
        ({"retries": "7"}, (None, None)),
        ({"retries": -3}, (None, None)),
        ({"retries": None}, (None, None)),
        ({"retries": [1]}, (None, None)),
    ],
    ids=str,
)
def test_values_that_a_message_may_not_have_are_left_out(headers: dict[str, Any], limits: tuple[Any, Any]) -> None:
    found = details().running(a_request(**headers))
    assert (found.soft_time_limit, found.time_limit, found.retries) == (*limits, 0)


def test_a_count_of_retries_stays_within_the_bounds_of_a_message() -> None:
    assert details().running(a_request(retries=10**30)).retries == 2**53


def test_the_age_does_not_follow_a_clock_that_was_set() -> None:
    """The pool reports the start on the monotonic clock; Celery converts it with the system clock of that moment."""
    instrumentation = RequestInstrumentation(Meter(), lambda request: "mail")
    request = a_request()
    request._gossip_outcome = instrumentation.track(request)
    request._gossip_outcome.start(NOW - 20.0)
    request.time_start = UNIX - 3600.0  # the system clock was set back by nearly an hour since
    assert details().running(request).age == 20.0


def test_the_age_of_a_task_that_has_not_started_is_unknown() -> None:
    assert details().running(a_request()).age is None


def test_a_start_in_the_future_of_the_system_clock_is_unknown() -> None:
    request = a_request()
    request.time_start = UNIX + 5.0
    assert details().running(request).age is None


class Broken:
    """A request of a user's own class, whose attributes all raise."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_request_that_cannot_be_read_has_no_details() -> None:
    one = details()
    assert one.running(Broken()) == RunningTask(name=0, age=None)
    assert one.names == ("",)


def test_names_are_sanitized() -> None:
    one = details()
    one.running(SimpleNamespace(task=SimpleNamespace(name="a\nb" + "c" * 400)))
    assert one.names == ("a\\nb" + "c" * 251,)


def test_waiting_tasks_are_the_ten_most_frequent_pairs_of_queue_and_name() -> None:
    counts = Counter({("mail", f"t{number}"): number for number in range(1, 15)})
    counts[None, "lost"] = 100
    one = details()
    found = one.most_waiting(counts)
    assert len(found) == 10 and [waiting.count for waiting in found] == [100, *range(14, 5, -1)]
    assert [(one.names[waiting.queue], one.names[waiting.task]) for waiting in found[:2]] == [
        ("", "lost"),
        ("mail", "t14"),
    ]
    assert details().most_waiting(Counter()) == ()
    assert found[1] == TaskCount(queue=one.names.index("mail"), task=one.names.index("t14"), count=14)


def test_the_clocks_are_those_of_the_system_by_default() -> None:
    request = a_request()
    request.time_start = time.time() - 5.0
    found = TaskDetails().running(request).age
    assert found is not None and 4.9 <= found <= 6.0
