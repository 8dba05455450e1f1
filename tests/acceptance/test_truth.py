"""What `status` shows is what `celery inspect` shows, in every pool and on every broker: ids, queues and counts."""

from collections import Counter
from functools import partial
from typing import Any

import pytest
from kombu import Exchange

from tests.support import eventually, exchanges
from tests.support.workers import Project, Worker

LONG = 60  #: seconds; longer than any test
FAR = 600  #: seconds of countdown; further than any test


@pytest.mark.smoke
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet"])
def test_status_shows_the_ids_queues_and_counts_that_inspect_shows(project: Project, pool: str) -> None:
    with project.worker("--without-mingle", pool=pool) as worker:
        scheduled = {project.send("nap", LONG, queue=queue, countdown=FAR): queue for queue in ("a", "b", "b")}
        eventually(partial(assert_counts, project, worker, scheduled=3))
        running = {project.send("nap", LONG, queue=queue): queue for queue in ("a", "b")}
        eventually(partial(assert_counts, project, worker, active=2, scheduled=3))
        waiting = {project.send("nap", LONG, queue=queue): queue for queue in ("b", "b", "b", "a", "a")}
        # A green pool takes one task more than it can run and leaves the others on the broker.
        seen = 1 if pool in ("gevent", "eventlet") else 5
        eventually(partial(assert_counts, project, worker, active=2, reserved=seen, scheduled=3))

        before = inspected(project, worker)
        status = project.status()
        assert inspected(project, worker) == before, "the worker did not stand still during the test"

        assert before["active"] == set(running)
        (told,) = status["workers"]
        assert {name: told[name] for name in ("active", "reserved", "scheduled", "unattributed")} == {
            "active": 2,
            "reserved": seen,
            "scheduled": 3,
            "unattributed": 0,
        }
        assert (told["hostname"], told["pool"], told["state"]) == (worker.node, pool, "online")
        sent = {**running, **waiting, **scheduled}
        expected = expected_checks(project, before, sent)
        assert checks_by_queue(told) == expected
        left = left_on_the_broker(project, before, sent)
        shown = {queue["queue"]: {**queue, "active_ids": set(queue["active_ids"])} for queue in status["queues"]}
        for queue in shown.values():  # tests/acceptance/test_oldest_message.py compares the ages with the truth
            ages = queue.pop("oldest_age_min"), queue.pop("oldest_age_max")
            assert queue["backlog"] or ages == (0.0, 0.0)
        assert shown == {name: queue_row(name, check, backlog=left[name]) for name, check in expected.items()}


@pytest.mark.smoke
def test_status_shows_the_task_inside_which_a_solo_worker_is(project: Project) -> None:
    with project.worker("--without-mingle", pool="solo") as worker:
        scheduled = {project.send("nap", LONG, queue=queue, countdown=FAR): queue for queue in ("a", "b", "b")}
        eventually(partial(assert_counts, project, worker, scheduled=3))
        before = inspected(project, worker)
        for queue in ("a", "b"):
            task_id = project.send("nap", 5, queue=queue)  # longer than the command takes
            told = eventually(partial(status_with_active, project, count=1))
            expected = expected_checks(project, {**before, "active": {task_id}}, {**scheduled, task_id: queue})
            assert checks_by_queue(told) == expected
            assert (told["pool"], told["state"], told["unattributed"]) == ("solo", "stalled", 0)
            eventually(partial(assert_counts, project, worker, scheduled=3))
        (told,) = project.status()["workers"]
        assert checks_by_queue(told) == expected_checks(project, inspected(project, worker), scheduled)
        assert (told["state"], told["processed"]) == ("online", 2)


@pytest.mark.redis
def test_without_consumer_tags_ids_are_told_by_the_bindings_of_each_kind_of_exchange(redis_project: Project) -> None:
    project = redis_project
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.exchanges"}
    with project.worker("--without-mingle", pool="threads", concurrency=20) as worker:
        sent = {
            publish(project, exchange, routing_key): f"{project.prefix}_{queue}"
            for exchange, routing_key, queue in [
                ("topic", "order.new", "orders"),
                ("topic", "mail.eu.sent", "mail"),
                ("direct", "by-post", "letters"),
                ("fanout", "all", "news"),
                ("", f"{project.prefix}_orders", "orders"),
            ]
        }
        twice = publish(project, "topic", "order.mail")  # fits two queues, so Redis delivers it to both
        eventually(partial(assert_counts, project, worker, active=len(sent) + 2))
        (told,) = project.status()["workers"]
        shown = {task_id: check["queue"] for check in told["checks"] for task_id in check["active"]}
        assert shown == sent
        assert twice not in shown
        assert (told["active"], told["unattributed"]) == (len(sent) + 2, 2)
        assert inspected(project, worker)["active"] == {*shown, twice}


def publish(project: Project, exchange: str, routing_key: str) -> str:
    """Send a long `nap` to one of the exchanges of tests.support.exchanges (or to the default one); gives its id."""
    app = project.app()
    with app.connection_for_write() as connection:
        for queue in exchanges.queues(project.prefix):
            queue(connection.default_channel).declare()
        sent = app.send_task(
            "tests.support.project.nap",
            args=[LONG],
            exchange=Exchange(f"{project.prefix}_{exchange}", type=exchange) if exchange else Exchange(""),
            routing_key=routing_key,
            connection=connection,
        )
    return str(sent.id)


def inspected(project: Project, worker: Worker) -> dict[str, Any]:
    """Ids that `celery inspect` shows: `{"active": …, "reserved": …, "scheduled": …}`."""
    return {
        "active": {task["id"] for task in project.inspect("active", worker.node)},
        "reserved": {task["id"] for task in project.inspect("reserved", worker.node)},
        "scheduled": {task["request"]["id"] for task in project.inspect("scheduled", worker.node)},
    }


def assert_counts(project: Project, worker: Worker, active: int = 0, reserved: int = 0, scheduled: int = 0) -> None:
    found = {
        "active": len(project.inspect("active", worker.node)),
        "reserved": len(project.inspect("reserved", worker.node)),
        "scheduled": len(project.inspect("scheduled", worker.node)),
    }
    assert found == {"active": active, "reserved": reserved, "scheduled": scheduled}


def status_with_active(project: Project, count: int) -> dict[str, Any]:
    (worker,) = project.status()["workers"]
    assert worker["active"] == count
    return dict(worker)


def expected_checks(project: Project, ids: dict[str, set[str]], sent: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What each queue must show: `ids` are those of inspect, `sent` tells to which queue each was sent."""
    counts = {kind: Counter(sent[task_id] for task_id in ids[kind]) for kind in ids}
    return {
        f"{project.prefix}_{queue}": {
            "active": {task_id for task_id in ids["active"] if sent[task_id] == queue},
            "active_count": counts["active"][queue],
            "reserved": counts["reserved"][queue],
            "scheduled": counts["scheduled"][queue],
            "paused": False,
        }
        for queue in ("a", "b")
    }


def checks_by_queue(worker: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = ("active_count", "reserved", "scheduled", "paused")
    return {
        check["queue"]: {"active": set(check["active"]), **{name: check[name] for name in names}}
        for check in worker["checks"]
    }


def left_on_the_broker(project: Project, ids: dict[str, set[str]], sent: dict[str, str]) -> Counter[str]:
    """Per queue, what no worker has. RabbitMQ has handed that over too, to a socket that a green pool leaves unread."""
    if project.broker_url.startswith("amqp:"):
        return Counter()
    held = set().union(*ids.values())
    return Counter(f"{project.prefix}_{queue}" for task_id, queue in sent.items() if task_id not in held)


def queue_row(name: str, check: dict[str, Any], backlog: int) -> dict[str, Any]:
    """What `status --json` says of a queue whose only worker has two slots, both taken."""
    return {
        "queue": name,
        "workers": 1,
        "states": {"online": 1},
        "active": check["active_count"],
        "active_ids": check["active"],
        "reserved": check["reserved"],
        "scheduled": check["scheduled"],
        "slots": 2,
        "free_slots": 0,
        "backlog": backlog,
        "paused": "no",
        "load": (check["active_count"] + check["reserved"] + backlog) / 2,
        "throughput": None,  # nothing moved meanwhile
    }
