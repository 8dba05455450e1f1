"""The age of the oldest message with real workers: the truth is always within the limits, on Redis and RabbitMQ."""

import json
import time
from collections.abc import Iterator
from functools import partial

import pytest
from celery.signals import before_task_publish

from celery_gossip import Listener, QueueView
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.worker.sent_at import stamp_tasks
from tests.support import eventually
from tests.support.workers import Project

QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")
TOLERANCE = 1.0  #: seconds between the view and the test's own clock, and for a report on its way


def queue_of(listener: Listener, name: str) -> QueueView:
    queue = listener.view().queue(name)
    assert queue is not None
    return queue


def has_backlog(listener: Listener, name: str, count: int) -> None:
    assert queue_of(listener, name).backlog == count


@pytest.fixture(autouse=True)
def stamping() -> Iterator[None]:
    """Stamp tasks, as a process does that calls install()."""
    stamp_tasks()
    yield
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")


def test_a_message_that_waits_behind_long_tasks_has_its_true_age(project: Project) -> None:
    """One task runs, one is reserved, and the third one is the oldest message."""
    pool = "solo" if project.broker_url.startswith("amqp:") else "prefork"
    project.conf["worker_prefetch_multiplier"] = 1
    queue = project.queues[0]
    with project.worker(*QUIET, pool=pool, concurrency=1), project.app() as app, Listener(app) as listener:
        listener.wait(workers=1, timeout=20)
        project.send("nothing")
        eventually(partial(has_backlog, listener, queue, 0))
        for _ in range(2):
            project.send("nap", 15)
        sent_at = time.monotonic()
        for _ in range(3):
            project.send("nap", 0.1)

        def is_known_on_both_sides() -> None:
            view = queue_of(listener, queue)
            least, greatest, truth = view.oldest_age_min, view.oldest_age_max, time.monotonic() - sent_at
            assert view.backlog is not None and view.backlog >= 2
            assert least is not None and greatest is not None
            assert least <= truth + TOLERANCE and truth <= greatest + TOLERANCE, (least, truth, greatest)
            assert least >= 5 and greatest - least < 8

        eventually(is_known_on_both_sides, 20)

        def is_empty() -> None:
            view = queue_of(listener, queue)
            assert (view.backlog, view.oldest_age_min, view.oldest_age_max) == (0, 0.0, 0.0)

        eventually(is_empty, 60)


def test_a_message_that_waits_for_too_long_is_a_finding(project: Project) -> None:
    project.conf["worker_prefetch_multiplier"] = 1
    settings = {"thresholds": {"oldest_seconds": 6, "oldest_factor": 0}, "after": {"oldest_waits": 2}}
    rules = parse_rules(settings, "rules")
    with (
        project.worker(*QUIET, pool="threads", concurrency=1) as worker,
        project.app() as app,
        Listener(app, rules=rules) as listener,
    ):
        listener.wait(workers=1, timeout=20)
        task_ids = [project.send("nap", 25) for _ in range(4)]

        def is_found() -> None:
            assert len(listener.findings) == 1, (listener.findings, queue_of(listener, project.queues[0]))
            (found,) = listener.findings
            assert (found.kind, found.severity, found.subject) == ("oldest_waits", "warning", project.queues[0])
            assert "although 1 worker consumes the queue; 2 messages wait. The only slot is busy" in found.text
            assert f"nap ({task_ids[0]}, running for " in found.text

        eventually(is_found, 25)
        worker.kill()


def test_messages_without_a_worker_wait_since_they_were_seen(project: Project) -> None:
    queue = project.queues[1]
    with project.app() as app, Listener(app, queues=[queue]) as listener:
        sent_at = time.monotonic()
        project.send("nothing", queue="b")

        def has_waited() -> None:
            view = queue_of(listener, queue)
            assert view.oldest_age_min is not None and view.oldest_age_min >= 3
            assert view.oldest_age_min <= time.monotonic() - sent_at

        eventually(has_waited, 20)
        assert listener.workers_needed(queue) == 1


def test_the_command_reads_the_age_exactly(redis_project: Project) -> None:
    project = redis_project
    queue = project.queues[0]
    project.send("nothing")
    time.sleep(0.01)
    answer = project.gossip("status", "--json", "--exact-age", "--queue", queue)
    (found,) = [one for one in json.loads(answer.stdout)["queues"] if one["queue"] == queue]
    assert found["backlog"] == 1 and found["oldest_age_min"] is not None
    assert 0 < found["exact_age"] < 30
