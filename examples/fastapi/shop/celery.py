"""Celery app and its tasks. The worker and the web application both import it."""

import os
import time

from celery import Celery

import celery_gossip

app = Celery("shop", broker=os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0"))
app.conf.broker_connection_retry_on_startup = True
app.conf.task_ignore_result = True
celery_gossip.install(app, interval=1.0)


@app.task
def confirm(order_id: int) -> None:
    """Stand for work that takes half a second."""
    time.sleep(0.5)
