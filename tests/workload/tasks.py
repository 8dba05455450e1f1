"""The tasks of the random workload: GOSSIP_TEST_IMPORT=tests.workload.tasks.

Each run writes its begin and its end to the record before it leaves, see tests.workload.record. WORKLOAD_STEP adds
the bootstep Celery's own way, without install().
"""

import functools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery.exceptions import Ignore, Reject, Retry

from tests.support.project import app
from tests.workload import recorder  # noqa: F401 - before the worker is built
from tests.workload.record import RUN, note

PREFIX = "tests.workload."


class Mishap(Exception):
    """A plain failure."""


class OwnInit(Exception):
    """An exception that cannot be built again from its args."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")
        self.order, self.reason = order, reason


class OwnInitMishap(Mishap):
    """The same with a base class that can be pickled: Celery hands on the base."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")


class Unpicklable(Exception):
    """An exception that holds what cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(lambda: None)


class Shop:
    class Closed(Exception):
        """A nested class."""


def outcome_of(exc: BaseException) -> str:
    """What an exception that leaves a task means, by Celery's documentation."""
    kinds = {Retry: "retried", Reject: "rejected", Ignore: "ignored", SystemExit: "left"}
    return next((outcome for kind, outcome in kinds.items() if isinstance(exc, kind)), f"failed:{type(exc).__name__}")


def recorded(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a task `body(self, seconds)` whose runs are recorded."""

    def register(body: Callable[..., Any]) -> Any:
        @functools.wraps(body)
        def run(self: Any, *args: Any) -> Any:
            name = getattr(self.request, RUN, "?")
            note("began", name, os.getpid())
            try:
                result = body(self, *args)
            except (Exception, SystemExit) as exc:
                note("ended", name, outcome_of(exc))
                raise
            note("ended", name, "succeeded")
            return result

        return app.task(bind=True, name=f"{PREFIX}{body.__name__}", **options)(run)

    return register


def is_first(self: Any) -> bool:
    """Whether no run before this one has asked for this task id."""
    marks = Path(f"{os.environ['GOSSIP_TEST_RECORD']}.marks")
    marks.mkdir(exist_ok=True)
    try:
        (marks / self.request.id).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def again(self: Any, **options: Any) -> Any:
    """Retry on the queue it came from."""
    return self.retry(queue=self.request.delivery_info["routing_key"], **options)


def sleeping(name: str, **options: Any) -> None:
    """Register a task that sleeps and succeeds."""

    def body(self: Any, seconds: float) -> None:
        time.sleep(seconds)

    body.__name__ = name
    recorded(**options)(body)


def raising(name: str, make: Callable[[], BaseException], **options: Any) -> None:
    """Register a task that sleeps and raises."""

    def body(self: Any, seconds: float) -> None:
        time.sleep(seconds)
        raise make()

    body.__name__ = name
    recorded(**options)(body)


def local_exception() -> Exception:
    """An instance of a class that no other process can import."""

    class Local(Exception):
        pass

    return Local("as planned")


LATE: dict[str, Any] = {"acks_late": True}
REJECTING: dict[str, Any] = {"acks_late": True, "acks_on_failure_or_timeout": False}
ONCE = {"max_retries": 1, "countdown": 0.1}
REQUEUING: dict[str, Any] = {"acks_late": True, "reject_on_worker_lost": True}

sleeping("succeed")
sleeping("succeed_late", **LATE)
sleeping("linger")
sleeping("linger_late", **LATE)
sleeping("limited", rate_limit="15/s")
sleeping("soft_limit", soft_time_limit=0.5, time_limit=30)
sleeping("hard_limit", time_limit=1)
sleeping("hard_limit_late", time_limit=1, **LATE)
raising("mishap", lambda: Mishap("as planned"))
raising("divide", lambda: ZeroDivisionError("as planned"))
raising("own_init", lambda: OwnInit(7, "as planned"))
raising("own_init_late", lambda: OwnInitMishap(7, "as planned"), **LATE)
raising("unpicklable", Unpicklable)
raising("local_class", local_exception)
raising("nested", lambda: Shop.Closed("as planned"))
raising("fail_late", lambda: Mishap("as planned"), **LATE)
raising("fail_rejecting", lambda: Mishap("as planned"), **REJECTING)
raising("reject", lambda: Reject("as planned", requeue=False), **LATE)
raising("reject_early", lambda: Reject("as planned", requeue=False))
raising("ignore", Ignore)
raising("ignore_late", Ignore, **LATE)
raising("leave", lambda: SystemExit(3))
raising("leave_late", lambda: SystemExit(3), **LATE)
raising("autoretry", lambda: Mishap("as planned"), autoretry_for=(Mishap,), retry_kwargs=ONCE)


@recorded(max_retries=1)
def retry_now(self: Any, seconds: float) -> None:
    time.sleep(seconds)
    if not self.request.retries:
        raise again(self, countdown=0)


@recorded(max_retries=1)
def retry_soon(self: Any, seconds: float) -> None:
    time.sleep(seconds)
    if not self.request.retries:
        raise again(self, countdown=0.5)


@recorded(max_retries=1, **LATE)
def retry_late(self: Any, seconds: float) -> None:
    time.sleep(seconds)
    if not self.request.retries:
        raise again(self, countdown=0.1)


@recorded(max_retries=2)
def retry_out(self: Any, seconds: float) -> None:
    """Fails with its own exception once its retries are used up."""
    time.sleep(seconds)
    raise again(self, exc=Mishap("as planned"), countdown=0)


@recorded(max_retries=1)
def retry_exceeded(self: Any, seconds: float) -> None:
    time.sleep(seconds)
    raise again(self, countdown=0)


@recorded(**LATE)
def reject_requeue(self: Any, seconds: float) -> None:
    time.sleep(seconds)
    if is_first(self):
        raise Reject("as planned", requeue=True)


@recorded(time_limit=1, **REJECTING)
def hard_limit_requeue(self: Any, seconds: float) -> None:
    """Celery requeues it at its time limit; it is short then."""
    if is_first(self):
        time.sleep(seconds)


def dying(name: str, **options: Any) -> None:
    """Register a task that kills its process with SIGKILL, once for each id."""

    def body(self: Any, seconds: float) -> None:
        time.sleep(seconds)
        if is_first(self):
            os.kill(os.getpid(), signal.SIGKILL)

    body.__name__ = name
    recorded(**options)(body)


dying("die")
dying("die_late", **LATE)
dying("die_requeue", **REQUEUING)


@app.task(bind=True, name=f"{PREFIX}errback")
def errback(self: Any, task_id: str) -> None:
    """Of one argument, so that Celery sends it as a task instead of calling it in place."""
    name = getattr(self.request, RUN, "?")
    note("began", name, os.getpid())
    note("ended", name, "succeeded")


if os.environ.get("WORKLOAD_STEP"):
    from celery_gossip import GossipStep

    app.steps["consumer"].add(GossipStep)
