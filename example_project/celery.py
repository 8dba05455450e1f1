"""Celery app of the shop. Its settings are read when they are first used; one line enables gossip."""

from celery import Celery

import celery_gossip

app = Celery("shop", include=["example_project.tasks"])
app.config_from_object("example_project.settings")
celery_gossip.install(app, interval=1.0)
