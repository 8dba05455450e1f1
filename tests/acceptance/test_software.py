"""What real workers report of their release, tasks and settings, and the findings that follow from it."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from celery_gossip import Finding, Listener
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.wire.messages import Software
from tests.support import eventually
from tests.support.ear import Ear
from tests.support.workers import QUIET, Project

SECRET = "pa55W0RD"
OTHER_TASKS = {"GOSSIP_TEST_IMPORT": "tests.support.second_tries"}


def the_finding(listener: Listener, kind: str) -> Finding:
    found = next((finding for finding in listener.findings if finding.kind == kind), None)
    assert found is not None, listener.findings
    return found


def software_of(listener: Listener, count: int) -> dict[str, Software]:
    found = {worker.hostname.partition("@")[0]: worker.software for worker in listener.view().workers}
    assert len(found) == count and None not in found.values(), found
    return found  # type: ignore[return-value]


def test_workers_report_release_tasks_and_the_settings_in_force(project: Project) -> None:
    project.conf |= {"task_acks_late": True, "worker_max_tasks_per_child": 7, "shop_password": SECRET}
    flags = ("--prefetch-multiplier", "1", "--max-tasks-per-child", "50", "--soft-time-limit", "30", "-E")
    with (
        Ear(project) as ear,
        project.app() as app,
        Listener(app, rules=parse_rules({"after": {"mixed_releases": 2}}, "test")) as listener,
        ExitStack() as workers,
    ):
        project.extra_environment = {"GIT_SHA": "abc123", "SENTRY_RELEASE": "other", "SECRET_KEY": SECRET}
        workers.enter_context(project.worker(*QUIET, *flags, name="w1"))
        project.extra_environment = {"SENTRY_RELEASE": "v41", "SECRET_KEY": SECRET}
        workers.enter_context(project.worker(*QUIET, pool="threads", name="w2"))
        project.extra_environment = {"GIT_SHA": "abc123", "SECRET_KEY": SECRET, **OTHER_TASKS}
        project.install = {"interval": 0.5, "release": "v42"}
        workers.enter_context(project.worker(*QUIET, pool="solo", name="w3"))
        found = eventually(partial(software_of, listener, 3), 70)
        assert {name: one.release for name, one in found.items()} == {"w1": "abc123", "w2": "v41", "w3": "v42"}
        assert found["w1"].registry == found["w2"].registry != found["w3"].registry
        assert 0 < found["w1"].tasks < found["w3"].tasks
        check_settings(found, is_redis=project.broker_url.startswith("redis"))
        finding = eventually(partial(the_finding, listener, "mixed_releases"), 20)
        assert "abc123 on w1@" in finding.text and "v42 on w3@" in finding.text
        assert SECRET not in repr([report for _, report in ear.heard])


def check_settings(found: dict[str, Software], *, is_redis: bool) -> None:
    flagged, plain = found["w1"].settings, found["w2"].settings
    assert (flagged.worker_prefetch_multiplier, plain.worker_prefetch_multiplier) == (1, 4)
    assert (flagged.worker_max_tasks_per_child, plain.worker_max_tasks_per_child) == (50, 7)
    assert (flagged.task_soft_time_limit, plain.task_soft_time_limit) == (30.0, None)
    assert (flagged.worker_send_task_events, plain.worker_send_task_events) == (True, False)
    assert flagged.task_acks_late is plain.task_acks_late is True
    assert flagged.visibility_timeout == plain.visibility_timeout == (3600.0 if is_redis else None)


def test_a_task_that_no_worker_knows_is_named(project: Project) -> None:
    with project.app() as app, Listener(app) as listener, project.worker(*QUIET, pool="threads") as worker:
        listener.wait(workers=1, timeout=20)
        for _ in range(3):
            project.send("no_such_task")

        def is_counted() -> Finding:
            found = the_finding(listener, "unregistered_task")
            assert "'tests.support.project.no_such_task' (3)" in found.text
            return found

        found = eventually(is_counted, 20)
        assert found.subject == project.queues[0] and worker.node in found.text


@pytest.mark.parametrize("case", ["eta", "acks_late"])
def test_a_message_that_redis_will_deliver_again_is_reported(redis_project: Project, case: str) -> None:
    project = redis_project
    project.conf |= {"broker_transport_options": {"visibility_timeout": 8}, "task_acks_late": case == "acks_late"}
    with project.app() as app, Listener(app) as listener, project.worker(*QUIET, pool="threads") as worker:
        listener.wait(workers=1, timeout=20)
        options: dict[str, Any] = {"countdown": 3600} if case == "eta" else {}
        task_id = project.send("nap", 8, **options)
        found = eventually(partial(the_finding, listener, "will_be_redelivered"), 70)
        assert f"nap ({task_id})" in found.text and worker.node in found.text
        assert "The visibility timeout of the broker is 8s" in found.text
