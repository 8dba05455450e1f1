"""The shop's Celery app: its settings are read when they are first needed, and queue gossip takes one line."""

from celery import Celery

import celery_gossip

app = Celery("shop", include=["example_project.tasks"])
app.config_from_object("example_project.settings")
celery_gossip.install(app, interval=1.0)
