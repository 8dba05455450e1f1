"""Celery app of the project; its settings are those of Django with the prefix CELERY_."""

import os

from celery import Celery

import celery_gossip

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
celery_gossip.install(app)
