"""The project on a Celery that lacks a name: what follows -A. GOSSIP_TEST_MISSING is `module:name`.

It is missing while gossip is installed. Names that Celery itself needs are given back afterwards.
"""

import importlib
import os

from tests.support.project import app

KEPT_AWAY = ("celery.worker.state:active_requests",)  # read by this package alone, once Celery is loaded

path = os.environ["GOSSIP_TEST_MISSING"]
module, _, name = path.partition(":")
owner = importlib.import_module(module)
for loaded in ("celery.worker.control", "celery.worker.consumer"):
    importlib.import_module(loaded)
value = owner.__dict__.pop(name)

import celery_gossip  # noqa: E402

celery_gossip.install(app, interval=0.2)
if path not in KEPT_AWAY:
    setattr(owner, name, value)
