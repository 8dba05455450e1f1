"""The target of commands: what it knows of the app, without a connection."""

from celery import Celery

from celery_gossip import Listener
from celery_gossip.listener.control_target import control_target


def test_a_target_knows_the_queues_of_its_app_and_shows_the_view_of_its_listener() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_default_queue = "mail"
    listener = Listener(app)
    target = control_target(listener)
    assert target.app is app and target.view().workers == ()
    assert not target.knows_queue("elsewhere")
    assert target.purge is not None
