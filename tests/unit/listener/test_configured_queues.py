"""Every queue that an app's settings send tasks to is named, whatever else is in them; nothing is created."""

import logging
import re
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue
from kombu.common import Broadcast

from celery_gossip.errors import InvalidOption
from celery_gossip.listener.configured_queues import configured_queue_names
from celery_gossip.listener.names import validate_names
from celery_gossip.log import LimitedLogger
from tests.support.identifier import stable_id


def app_with(**conf: Any) -> Celery:
    app = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(conf)
    return app


def names(app: Celery) -> list[str]:
    return list(configured_queue_names(app, LimitedLogger()))


def route_to_reports(name: str, *_: Any, **__: Any) -> dict[str, str]:
    raise AssertionError("a router is not asked")


ROUTES = [
    {"shop.add": {"queue": "reports"}},
    {"shop.*": "reports"},
    {re.compile("shop"): {"queue": "reports"}},
    {"shop.add": Queue("reports")},
    {"shop.add": {"queue": Queue("reports"), "routing_key": "x"}},
    {"shop.add": (("queue", "reports"),)},
    [{"shop.add": {"queue": "reports"}}],
    ({"shop.*": {"routing_key": "a.b"}}, {"shop.add": {"queue": "reports"}}),
    ([("shop.add", {"queue": "reports"}), ("shop.*", "reports")],),
    [("shop.add", {"queue": "reports"})],
    [route_to_reports, {"shop.add": {"queue": "reports"}}],
    ["shop.routers.Router", {"shop.add": {"queue": "reports"}}],
    [{"shop.add": 7, "shop.sub": None, "shop.mul": ("x",), "shop.div": ""}, {"shop.add": "reports"}],
]


@pytest.mark.parametrize("routes", ROUTES, ids=stable_id)
def test_a_queue_that_a_route_names_is_known(routes: Any) -> None:
    assert names(app_with(task_routes=routes)) == ["celery", "reports"]


@pytest.mark.parametrize(
    "routes",
    [
        None,
        {},
        (),
        route_to_reports,
        [route_to_reports],
        "shop.routers.Router",
        ["shop.routers.One", "shop.routers.Two"],
        {"shop.add": {"exchange": "x", "routing_key": "y"}},
    ],
    ids=stable_id,
)
def test_routes_that_name_no_queue_add_none(routes: Any) -> None:
    assert names(app_with(task_routes=routes)) == ["celery"]


def test_the_default_queue_is_known_beside_task_queues_that_leave_it_out() -> None:
    app = app_with(task_queues=[Queue("mail")], task_default_queue="rest")
    assert names(app) == ["mail", "rest"]
    assert list(app.amqp.queues) == ["mail"], "created by asking"


def test_without_the_right_to_create_queues_only_the_declared_ones_can_hold_tasks() -> None:
    conf = {"task_queues": [Queue("mail")], "task_default_queue": "rest", "task_create_missing_queues": False}
    assert names(app_with(**conf, task_routes={"*": {"queue": "reports"}})) == ["mail"]


def test_a_broadcast_queue_whose_name_this_process_made_up_is_left_out() -> None:
    app = app_with(task_queues=[Broadcast("news"), Queue("mail")], task_routes={"shop.*": {"queue": "news"}})
    assert names(app) == ["mail", "celery"]


def test_a_broadcast_queue_in_a_route_is_left_out() -> None:
    assert names(app_with(task_routes={"shop.*": {"queue": Broadcast("news")}})) == ["celery"]


def test_a_queue_of_its_own_name_on_a_fanout_exchange_is_known() -> None:
    assert names(app_with(task_queues=[Queue("mail", Exchange("all", type="fanout"))])) == ["mail", "celery"]


def test_queues_that_the_schedule_and_annotations_name_are_known() -> None:
    schedule = {
        "nightly": {"task": "shop.add", "schedule": 60, "options": {"queue": "night"}},
        "plain": {"task": "shop.add", "schedule": 60},
    }
    annotations = {"shop.add": {"queue": "noted", "rate_limit": "1/s"}}
    assert names(app_with(beat_schedule=schedule, task_annotations=annotations)) == ["celery", "noted", "night"]


@pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")  # of the attribute, in Celery 5.7
def test_queues_that_tasks_name_are_known_where_the_app_is_finalized() -> None:
    app = app_with()

    @app.task(queue="slow", name="shop.add", shared=False)
    def add() -> None: ...

    assert names(app) == ["celery"] and not app.finalized
    app.finalize()
    assert names(app) == ["celery", "slow"]


class Odd:
    """A setting that raises whatever is done with it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("odd")

    def __iter__(self) -> Any:
        raise RuntimeError("odd")

    def __bool__(self) -> bool:
        raise RuntimeError("odd")


@pytest.mark.parametrize("setting", ["task_queues", "task_annotations", "beat_schedule", "task_default_queue"])
def test_a_setting_that_cannot_be_read_costs_one_line_and_the_others_are_read(
    setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_with(task_routes={"shop.add": {"queue": "reports"}}, task_queues=[Queue("mail")])
    app.conf[setting] = Odd()
    with caplog.at_level(logging.WARNING, "celery_gossip"):
        found = names(app)
    assert "reports" in found
    lines = [record.getMessage() for record in caplog.records]
    # Without `task_queues` the default queue is one of app.amqp.queues.
    assert len(lines) <= (2 if setting == "task_default_queue" else 1)
    assert all("cannot be read: RuntimeError: odd" in line for line in lines)


def test_what_one_bad_route_stands_behind_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with(task_routes=[{"shop.add": "reports"}, {"shop.sub": Odd()}])
    assert names(app) == ["celery", "reports"]
    assert [record.getMessage() for record in caplog.records] == [
        "celery-gossip: the queues in task_routes cannot be read: RuntimeError: odd"
    ]


def test_names_are_checked() -> None:
    assert validate_names("queues", ["mail", "reports", "mail"]) == ("mail", "reports")
    for wrong in ("mail", b"mail", [""], [7]):
        with pytest.raises(InvalidOption, match="queues: expected a list of names, got"):
            validate_names("queues", wrong)  # type: ignore[arg-type]
