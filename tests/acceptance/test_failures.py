"""Failures of real workers with their cause, in every kind of pool: as much as the setting asks for, and no more."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from celery_gossip import Failure, FailureView, Listener
from celery_gossip.options import FailureDetails
from tests.acceptance.test_privacy import Wire, wire_of
from tests.support import brokers, eventually
from tests.support.failing import MESSAGE
from tests.support.spill import CANARY
from tests.support.workers import QUIET, REPOSITORY, Project

TASK = "tests.support.failing.take"


@dataclass(frozen=True)
class Case:
    """A pool on a broker with a setting: together they cover all of them."""

    pool: str
    broker: str
    details: FailureDetails


CASES = (
    Case("prefork", brokers.REDIS_URL, "traceback"),
    Case("threads", brokers.REDIS_URL, "message"),
    Case("solo", brokers.REDIS_URL, "off"),
    Case("gevent", brokers.REDIS_URL, "traceback"),
    Case("prefork", brokers.RABBITMQ_URL, "off"),
)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.pool}-{case.broker.partition(':')[0]}-{case.details}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def failing_project(case: Case) -> Iterator[Project]:
    project = Project(brokers.require(case.broker))
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.failing", "SOME_TOKEN": f"{CANARY}-environment"}
    project.install = {"interval": 0.3, "failure_details": case.details}
    yield project
    project.clean()


def send(project: Project, name: str) -> str:
    """Send a task with canaries; return its id."""
    with project.app() as app, app.connection_for_write() as connection:
        arguments: dict[str, Any] = {"args": (f"{CANARY}-arg",), "kwargs": {f"{CANARY}_key": f"{CANARY}-value"}}
        headers = {f"{CANARY}-header": "x"}
        sent = app.send_task(name, **arguments, headers=headers, queue=project.queues[0], connection=connection)
    return str(sent.id)


def failures_of(listener: Listener, count: int) -> FailureView:
    found = listener.failures()
    assert len(found.failures) == count, found
    return found


def assert_described(failure: Failure, details: FailureDetails) -> None:
    """Check that message and traceback are what the setting asks for."""
    assert failure.message == (None if details == "off" else MESSAGE)
    if details != "traceback":
        assert (failure.traceback, failure.line) == ((), "")
        return
    frames = [frame.rpartition(":")[0] for frame in failure.traceback]
    assert frames[-2:] == ["tests.support.failing:take", "tests.support.failing:_take"]
    assert failure.line == failure.traceback[-1]


def assert_discreet(wire: Wire, details: FailureDetails) -> None:
    """Check that no report contains a canary or a path, and the message only if it is asked for."""
    told = b"".join(wire.bodies)
    assert TASK.encode() in told
    for secret in (CANARY, str(REPOSITORY), "failing.py", "site-packages", "raise OutOfStock"):
        assert secret.encode() not in told, secret
    assert (MESSAGE.encode() in told) is (details != "off")
    assert (b"tests.support.failing:_take:" in told) is (details == "traceback")


def test_a_failure_is_reported_once_with_its_cause_and_nothing_of_the_task(
    failing_project: Project, case: Case
) -> None:
    project = failing_project
    with (
        project.worker(*QUIET, pool=case.pool) as worker,
        wire_of(project) as wire,
        project.app() as app,
        Listener(app) as listener,
    ):
        listener.wait(workers=1, timeout=20)
        task_id, unknown_id = send(project, TASK), send(project, "no.such.task")
        found = eventually(partial(failures_of, listener, 2), 20)
        by_id = {failure.id: failure for failure in found.failures}
        failure = by_id[task_id]
        assert (failure.task, failure.exception, failure.retries) == (TASK, "OutOfStock", 0)
        assert (failure.queue, failure.hostname) == (project.queues[0], worker.node)
        assert failure.runtime is not None and 0 <= failure.runtime < 10
        assert 0 <= found.taken_at - failure.at < 20
        assert_described(failure, case.details)
        assert (by_id[unknown_id].exception, by_id[unknown_id].task) == ("NotRegistered", "no.such.task")
        third = send(project, TASK)
        found = eventually(partial(failures_of, listener, 3), 20)
        assert found.failures[0].id == third and found.unlisted == 0
        assert {group.count for group in found.groups()} == {1, 2}
        assert_discreet(wire, case.details)
        assert "celery-gossip: " not in worker.output.replace("celery-gossip: reporting", "")


def test_a_task_that_exceeds_its_time_limit_is_listed(redis_project: Project) -> None:
    project = redis_project
    project.install = {"interval": 0.3, "failure_details": "message"}
    with (
        project.worker(*QUIET, pool="prefork", concurrency=1),
        project.app() as app,
        Listener(app) as listener,
    ):
        listener.wait(workers=1, timeout=20)
        limited = project.send("nap", 60, time_limit=1)
        found = eventually(partial(failures_of, listener, 1), 20)
        (failure,) = found.failures
        assert (failure.id, failure.exception) == (limited, "TimeLimitExceeded")
        assert failure.message is not None and "1" in failure.message
