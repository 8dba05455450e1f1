"""The software of a worker: its release, a digest of its tasks, settings in force, and nothing else around it."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Settings, Software, decode, settings_of
from celery_gossip.wire.profile import registry_digest
from celery_gossip.worker import software as module
from celery_gossip.worker.held_messages import HeldMessages
from celery_gossip.worker.software import (
    SoftwareReport,
    find_release,
    find_visibility_timeout,
    read_settings,
)
from celery_gossip.worker.supplement import Supplement
from tests.unit.build import FakeClock, a_gossip
from tests.unit.fakes import a_consumer

SECRET = "pa55W0RD"


class Secretive:
    """A value whose texts are secret."""

    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__


def pack() -> None:
    """A task."""


def a_worker(broker: str = "memory://", controller: Any = None, **settings: Any) -> Any:
    app = Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(settings)
    return a_consumer("mail", app=app, controller=controller)


@pytest.mark.parametrize(
    ("option", "environ", "expected"),
    [
        (None, {}, ""),
        (None, {"GIT_SHA": "abc"}, "abc"),
        (None, {"SENTRY_RELEASE": "v1"}, "v1"),
        (None, {"GIT_SHA": "abc", "SENTRY_RELEASE": "v1"}, "abc"),
        (None, {"GIT_SHA": " ", "SENTRY_RELEASE": " v1\n"}, "v1"),
        (None, {"RELEASE": "v1", "GIT_SHA_OTHER": "v2", "git_sha": "v3"}, ""),
        ("v9", {"GIT_SHA": "abc"}, "v9"),
        ("", {"GIT_SHA": "abc"}, ""),
        (None, {"GIT_SHA": "x" * 100}, "x" * 64),
        (None, {"GIT_SHA": "a\x1b[2Jb"}, "a\\x1b[2Jb"),
        (None, {"GIT_SHA": "\udcff" * 30}, ("\\udcff" * 30)[:64]),
    ],
)
def test_the_release_is_that_of_the_option_or_of_the_environment(
    option: str | None, environ: dict[str, str], expected: str
) -> None:
    assert find_release(option, environ) == expected
    gossip = a_gossip(software=Software(release=expected))
    assert decode(encode(gossip)) == gossip


def test_the_digest_depends_on_the_names_alone() -> None:
    digest = registry_digest(["shop.a", "shop.b"])
    assert digest == registry_digest(["shop.b", "shop.a"]) and len(digest) == 16
    others = [["shop.a"], ["shop.a", "shop.c"], ["shop.a\nshop.b"[:6], "shop.b", "x"], [], ["größe \udcff"]]
    assert len({digest, *map(registry_digest, others)}) == len(others) + 1


def described(worker: Any, release: str | None = None) -> Software:
    report = SoftwareReport(worker, release)
    report.describe()
    software = report.due()
    assert software is not None
    return software


def test_tasks_of_celery_itself_are_not_counted() -> None:
    worker = a_worker()
    worker.app.task(name="shop.only_here", shared=False)(pack)
    software = described(worker, "v41")
    own = [name for name in worker.app.tasks if not name.startswith("celery.")]  # other modules may share tasks
    assert "shop.only_here" in own and len(own) < len(worker.app.tasks)
    assert (software.tasks, software.registry) == (len(own), registry_digest(own))
    assert software.release == "v41" and all((software.celery, software.kombu, software.python, software.gossip))


def test_tasks_that_are_registered_after_the_start_change_nothing() -> None:
    worker = a_worker()
    report = SoftwareReport(worker, "v41")
    report.describe()
    before = report.due()
    worker.app.task(name="shop.late", shared=False)(pack)
    report.describe()
    assert report.due() is before


def test_options_of_the_command_line_win_over_the_configuration() -> None:
    controller = SimpleNamespace(
        prefetch_multiplier=1, max_tasks_per_child=50, max_memory_per_child=None, time_limit=9.5, task_events=True
    )
    settings = {"worker_max_tasks_per_child": 7, "worker_max_memory_per_child": 9, "task_soft_time_limit": 3}
    found = read_settings(a_worker(controller=controller, **settings))
    assert (found.worker_prefetch_multiplier, found.worker_max_tasks_per_child) == (1, 50)
    assert found.worker_max_memory_per_child is None  # the worker runs without
    assert (found.task_time_limit, found.task_soft_time_limit, found.worker_send_task_events) == (9.5, 3.0, True)


def test_without_these_attributes_the_configuration_is_read() -> None:
    found = read_settings(a_worker(worker_max_tasks_per_child=7, task_acks_late=True))
    assert (found.worker_max_tasks_per_child, found.task_acks_late, found.worker_prefetch_multiplier) == (7, True, 4)


@pytest.mark.parametrize(
    "value",
    [SECRET, Secretive(), [1], {"a": 1}, float("nan"), float("inf"), -1, print, b"1", complex(1), "100"],
    ids=repr,
)
@pytest.mark.parametrize("name", [one for one in Settings.__struct_fields__ if one != "visibility_timeout"])
def test_a_setting_of_another_type_is_left_out(name: str, value: Any) -> None:
    controller = SimpleNamespace(**{module._OPTIONS[name]: value}) if name in module._OPTIONS else None
    worker = a_worker(controller=controller)
    if controller is None:
        worker.app.conf.update({name: value})
    assert name not in settings_of(Software(settings=read_settings(worker)))


@pytest.mark.parametrize("value", [0, 1, 2**53, 2**80, 10**400], ids=lambda value: f"{len(str(value))} digits")
def test_any_number_fits_into_a_message(value: int) -> None:
    worker = a_worker(worker_prefetch_multiplier=value, task_time_limit=value, worker_eta_task_limit=value)
    gossip = a_gossip(software=Software(settings=read_settings(worker)))
    assert decode(encode(gossip)).software.settings.worker_eta_task_limit == min(value, 2**53)


REDIS = "redis://:pa55W0RD@127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("broker", "options", "expected"),
    [
        (REDIS, {}, 3600.0),
        ("rediss://127.0.0.1:1/0?ssl_cert_reqs=none", {}, 3600.0),
        ("sentinel://127.0.0.1:1", {"master_name": "m"}, 3600.0),
        (REDIS, {"visibility_timeout": 43200}, 43200.0),
        (REDIS, {"visibility_timeout": 0.5}, 0.5),
        (REDIS, {"visibility_timeout": SECRET}, None),
        (REDIS, {"visibility_timeout": Secretive()}, None),
        (REDIS, {"visibility_timeout": True}, None),
        (REDIS, {"ack_emulation": False}, None),
        ("amqp://127.0.0.1:1//", {"visibility_timeout": 60}, None),
        ("memory://", {"visibility_timeout": 60}, None),
        ("nosuch://127.0.0.1", {}, None),
        ("redis://user:pa55/W0RD@127.0.0.1:1/0", {}, None),
    ],
)
def test_the_visibility_timeout_is_that_of_the_broker_if_it_has_one(
    broker: str, options: dict[str, Any], expected: float | None
) -> None:
    assert find_visibility_timeout(a_worker(broker, broker_transport_options=options)) == expected


def test_nothing_else_of_the_environment_or_the_configuration_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_SHA", raising=False)
    monkeypatch.setenv("SENTRY_RELEASE", "v41")
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "RELEASE"):
        monkeypatch.setenv(name, SECRET)
    strings = dict.fromkeys(("result_backend", "task_default_queue", "worker_state_db", "timezone_name"), SECRET)
    objects = {name: Secretive() for name in Settings.__struct_fields__ if name.startswith(("task", "broker"))}
    options = {"visibility_timeout": Secretive(), "password": SECRET, "master_name": SECRET}
    worker = a_worker(REDIS, broker_transport_options=options, **strings, **objects)
    text = encode(a_gossip(software=described(worker))).decode()
    assert "v41" in text and SECRET not in text and "pa55" not in text


def test_the_first_three_reports_contain_the_software_and_then_one_a_minute() -> None:
    clock = FakeClock()
    report = SoftwareReport(a_worker(), "v41", clock)
    supplement = Supplement(report, HeldMessages(a_worker(), lambda _: None, None))
    assert supplement.complete(a_gossip(), pytest.fail).software is None  # not described yet
    report.describe()
    due = []
    for second in range(200):
        gossip = supplement.complete(a_gossip(), pytest.fail)
        due += [second] if gossip.software is not None else []
        supplement.commit(gossip)
        clock.advance(1.0)
    assert due == [0, 1, 2, 62, 122, 182]


def test_software_that_was_not_sent_is_due_again() -> None:
    report = SoftwareReport(a_worker(), "v41", FakeClock())
    report.describe()
    supplement = Supplement(report, HeldMessages(a_worker(), lambda _: None, None))
    for _ in range(10):
        assert supplement.complete(a_gossip(), pytest.fail).software is not None
        supplement.commit(a_gossip())  # there was no room for it


def test_a_part_that_cannot_be_read_is_left_out_and_its_error_passed_on() -> None:
    class Broken(HeldMessages):
        def read(self) -> Any:
            raise KeyError("held")

    errors: list[Exception] = []
    report = SoftwareReport(a_worker(), "v41", FakeClock())
    report.describe()
    supplement = Supplement(report, Broken(a_worker(), lambda _: None, 60.0))
    assert supplement.complete(a_gossip(), errors.append).software is not None
    assert [type(one) for one in errors] == [KeyError]
