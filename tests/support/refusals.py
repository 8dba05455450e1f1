"""What a worker refuses to start with, without starting one: a process for each bad option would take a second."""

from types import SimpleNamespace
from typing import Any

from celery.exceptions import CeleryCommandException

from celery_gossip import GossipStep
from celery_gossip.options import store_install_keywords
from celery_gossip.worker.bootsteps_setting import add_worker_bootsteps
from tests.support.workers import Project
from tests.unit.fakes import a_consumer

__all__ = ["refusal"]


def refusal(project: Project, **flags: Any) -> str:
    """Return the line with which `celery worker` with these flags would end; fails if it would start."""
    with project.app() as app:
        store_install_keywords(app, project.install or {})
        try:
            add_worker_bootsteps(instance=SimpleNamespace(app=app), conf=app.conf)
            GossipStep(a_consumer(*project.queues, app=app), **flags)
        except CeleryCommandException as exc:
            assert exc.exit_code == 1
            return f"Error: {exc.format_message()}"
        except SystemExit as exc:
            return str(exc.code)
    raise AssertionError("the worker would start")
