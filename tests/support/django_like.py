"""A project configured as Django's are: upper-case settings with a prefix, among those of other packages."""

import json
import os
from types import SimpleNamespace

from celery import Celery

from tests.support.project import PREFIX, say_ready, shout

__all__ = ["app", "say_ready"]

settings = SimpleNamespace(
    DEBUG=True,
    GOSSIP_COLUMN="another package's own",
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP=True,
    CELERY_CONTROL_EXCHANGE=PREFIX,
    CELERY_EVENT_EXCHANGE=f"{PREFIX}_events",
    CELERY_TASK_DEFAULT_QUEUE=f"{PREFIX}_a",
    **{f"CELERY_{name.upper()}": value for name, value in json.loads(os.environ["GOSSIP_TEST_CONF"]).items()},
)
app = Celery(PREFIX)
app.config_from_object(settings, namespace="CELERY")
app.task(shout.run, name=shout.name)
