"""Takes what a real worker of a commit publishes: `python -m tests.wire.capture COMMIT`, beside a Redis.

Writes a file per state into a folder of this one, named for the commit: `idle`, `busy`, `draining`, `offline`.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from celery_gossip.options import resolve
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.subscription import StaleSubscription, Subscription
from celery_gossip.wire.signing import Delivery
from tests.support.brokers import REDIS_URL
from tests.support.past import ancient_project
from tests.support.workers import Project, Worker

HERE = Path(__file__).parent


def said(subscription: Subscription, timeout: float = 20.0) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each message, parsed and as it came; TimeoutError when the one that is waited for does not come."""
    give_up_at = time.monotonic() + timeout
    while time.monotonic() < give_up_at:
        try:
            received = subscription.receive(0.2)
        except StaleSubscription:  # a stage took long
            subscription.fail_over()
            subscription.open()
            continue
        for delivery in received:
            assert isinstance(delivery, Delivery)
            if b'"hostname"' in delivery.body:
                yield json.loads(delivery.body), delivery.body
    raise TimeoutError


def stages(project: Project, worker: Worker) -> Iterator[str]:
    """Bring the worker into each state; the next is entered when the bytes of this one have been taken."""
    yield "idle"
    for _ in range(4):
        project.send("nap", 4)
    project.send("fail", queue="b")
    project.send("nap", 4, queue="b", countdown=600)
    yield "busy"
    worker.terminate()
    yield "draining"
    yield "offline"


def is_in(stage: str, told: dict[str, Any]) -> bool:
    if stage == "busy":
        return bool(told["active"] == 2 and told["reserved"] >= 2 and told["scheduled"] == 1)
    return bool(told["state"] == {"idle": "online"}.get(stage, stage))


def capture(commit: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as code:
        project = ancient_project(commit, Path(code), like=Project(REDIS_URL))
        subscription = Subscription(open_broker(project.app(), resolve(project.app())))
        with closing(subscription), project.worker("--without-mingle", pool="threads") as worker:
            subscription.open()  # not before: a subscription that is not read for seconds is given up
            for stage in stages(project, worker):
                body = next(body for told, body in said(subscription) if is_in(stage, told))
                (folder / f"{stage}.json").write_bytes(body)
        project.clean()


if __name__ == "__main__":
    folder = HERE / sys.argv[1][:7]
    folder.mkdir(exist_ok=True)
    capture(sys.argv[1], folder)
