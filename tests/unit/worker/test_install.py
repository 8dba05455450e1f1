"""install(): adds the step and the flags once, checks its options, and lets the step start with them."""

import inspect
from dataclasses import fields
from typing import Any

import click
import pytest
from celery import Celery
from celery.exceptions import CeleryCommandException
from celery.signals import before_task_publish
from msgspec import UNSET

import celery_gossip
from celery_gossip.options import GossipOptions
from celery_gossip.worker.bootstep import GossipStep
from celery_gossip.worker.install import install
from tests.unit.fakes import a_consumer


@pytest.fixture
def app() -> Celery:
    return Celery("shop", broker="memory://", set_as_current=False)


def flags_of(app: Celery) -> list[str]:
    return sorted(flag for option in app.user_options["worker"] for flag in option.opts)


def test_install_adds_the_step_and_the_flags(app: Celery) -> None:
    install(app)
    assert GossipStep in app.steps["consumer"]
    assert flags_of(app) == ["--gossip-health-file", "--gossip-interval", "--without-queue-gossip"]


def test_installing_twice_changes_nothing(app: Celery) -> None:
    install(app, interval=2.0)
    before = (set(app.steps["consumer"]), list(app.user_options["worker"]))
    install(app, interval=2.0)
    install(app)
    assert (set(app.steps["consumer"]), list(app.user_options["worker"])) == before
    assert GossipStep(a_consumer("default", app=app)).options.interval == 2.0


def test_installing_again_with_other_options_logs_that_they_are_ignored(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    install(app, interval=2.0)
    install(app, interval=3.0)
    assert "are ignored: ['interval']" in caplog.text
    assert GossipStep(a_consumer("default", app=app)).options.interval == 2.0


@pytest.mark.parametrize("options", [{"interval": 0}, {"intervall": 1}, {"exchange": "A"}, {"gossip_interval": 1.0}])
def test_install_refuses_a_bad_option_at_once(app: Celery, options: dict[str, Any]) -> None:
    with pytest.raises(celery_gossip.InvalidOption):
        install(app, **options)
    assert GossipStep not in app.steps["consumer"]


def test_install_has_a_keyword_for_each_option_and_none_of_them_is_given_by_default() -> None:
    keywords = inspect.signature(install).parameters.values()
    by_kind = {kind: [one.name for one in keywords if one.kind is kind] for kind in inspect._ParameterKind}
    assert by_kind[inspect.Parameter.POSITIONAL_OR_KEYWORD] == ["app"]
    assert by_kind[inspect.Parameter.KEYWORD_ONLY] == [field.name for field in fields(GossipOptions)]
    assert {one.default for one in keywords if one.kind is inspect.Parameter.KEYWORD_ONLY} == {UNSET}


def test_an_unknown_option_is_refused_with_the_nearest_known_name(app: Celery) -> None:
    with pytest.raises(celery_gossip.InvalidOption, match=r"unknown option 'intervall' .* did you mean 'interval'\?"):
        install(app, intervall=1)  # type: ignore[arg-type]


def test_an_option_of_none_overrides_the_setting_and_an_unset_one_does_not(app: Celery) -> None:
    app.conf.gossip_health_file = "/nowhere/health"
    app.conf.gossip_interval = 7.0
    install(app, health_file=None)
    options = GossipStep(a_consumer("default", app=app)).options
    assert (options.health_file, options.interval) == (None, 7.0)


def test_inside_the_celery_program_a_bad_option_waits_for_the_worker(app: Celery) -> None:
    with click.Context(click.Command("celery")):
        install(app, interval=0)
    with pytest.raises(CeleryCommandException, match="gossip_interval"):
        GossipStep(a_consumer("default", app=app))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--gossip-interval", "2.5"], {"gossip_interval": 2.5}),
        (["--gossip-health-file", "run/%n"], {"gossip_health_file": "run/%n"}),
        (["--without-queue-gossip"], {"without_queue_gossip": True}),
    ],
)
def test_the_flags_are_the_arguments_of_the_step(app: Celery, arguments: list[str], expected: dict[str, Any]) -> None:
    install(app)
    command = click.Command("worker", params=list(app.user_options["worker"]))
    defaults = {"gossip_interval": None, "gossip_health_file": None, "without_queue_gossip": False}
    assert command.make_context("worker", list(arguments)).params == {**defaults, **expected}


def test_installing_stamps_the_tasks_that_are_sent(app: Celery) -> None:
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")
    headers: dict[str, Any] = {}
    install(app)
    before_task_publish.send(sender="shop.pack", headers=headers)
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")
    before_task_publish.send(sender="shop.pack", headers={})
    assert headers.keys() == {"gossip_sent_at"}
