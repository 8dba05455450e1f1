"""Records what happens to each run of a task, apart from what is under test. Imported into workers alone: it replaces
Celery's create_request_cls.
"""

import itertools
import logging
import os
from typing import Any
from uuid import uuid4

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.signals import (
    before_task_publish,
    celeryd_init,
    task_internal_error,
    task_retry,
)
from celery.worker import state, strategy
from celery.worker.consumer import consumer

from tests.workload.record import RUN, SENT_AT, note, stamp

__all__: list[str] = []

_boot = uuid4().hex[:8]
_numbers = itertools.count(1)


@celeryd_init.connect(weak=False)
def note_boot(sender: Any = None, **_: object) -> None:
    note("boot", _boot, sender, os.getpid())


@task_internal_error.connect(weak=False)
def note_internal_error(request: Any = None, exception: Any = None, **_: object) -> None:
    """Celery itself failed around the task, e.g. because the next task of a chain could not be sent."""
    note("ended", request.get(RUN, "?"), f"failed:{type(exception).__name__}")


@task_retry.connect(weak=False)
def note_retry(request: Any = None, einfo: Any = None, **_: object) -> None:
    """Also of a task whose exception Celery turns into a retry, `autoretry_for`."""
    if einfo is not None:  # else the main process announces that it has cancelled the task
        note("ended", getattr(request, RUN, "?"), "retried")


def note_messages(record: logging.LogRecord) -> bool:
    """As a filter of the consumer's logger: what it logs of a message of which it makes no request."""
    if record.msg in (consumer.MESSAGE_DECODE_ERROR, consumer.UNKNOWN_FORMAT, consumer.INVALID_TASK_ERROR):
        note("dropped", _boot)
    elif record.msg == consumer.UNKNOWN_TASK_ERROR:  # before it rejects the message, which may fail
        *_, headers, delivery_info = record.args or ()
        note("unknown", _boot, delivery_info["routing_key"], headers["task"])
    return True


def create_recording_cls_upon(create: Any) -> Any:
    """Replace Celery's create_request_cls; what is under test builds its class upon this one."""

    def create_recording_cls(*args: Any, **kwargs: Any) -> Any:
        return _recording(create(*args, **kwargs))

    return create_recording_cls


def _recording(base: Any) -> Any:  # noqa: C901 - one branch in each of its short methods
    class Recording(base):  # type: ignore[misc]
        def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(message, *args, **kwargs)
            self.workload_run = self.request_dict[RUN] = f"{_boot}.{next(_numbers)}"
            sent, eta = self.request_dict.get(SENT_AT, ""), self.eta.timestamp() if self.eta else ""
            queue = message.delivery_info["routing_key"]
            note("received", self.workload_run, _boot, queue, self.task.name, self.id, sent, eta)

        def on_accepted(self, pid: Any, time_accepted: float) -> Any:
            note("accepted", self.workload_run)
            return super().on_accepted(pid, time_accepted)

        def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
            note("returned", self.workload_run, _result_of(failed__retval__runtime))
            return super().on_success(failed__retval__runtime, **kwargs)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            note("returned", self.workload_run, _class_of(exc_info.exception))
            return super().on_failure(exc_info, *args, **kwargs)

        def on_timeout(self, soft: bool, timeout: float) -> Any:
            if not soft:  # in a cold shutdown Celery neither logs nor stores a failure
                is_ending = state.should_terminate not in (None, False)
                note(*(("returned", self.workload_run, "nothing") if is_ending else ("limit", self.workload_run)))
            return super().on_timeout(soft, timeout)

        def _announce_revoked(self, *args: Any, **kwargs: Any) -> Any:
            note("revoked", self.workload_run)  # before Celery acknowledges the message, which may hang or fail
            return super()._announce_revoked(*args, **kwargs)

        def _announce_cancelled(self, *args: Any, **kwargs: Any) -> Any:
            note("cancelled", self.workload_run)
            return super()._announce_cancelled(*args, **kwargs)

        def reject(self, requeue: bool = False) -> Any:
            if requeue and not self.acknowledged:
                note("requeued", self.workload_run)
            return super().reject(requeue=requeue)

    return Recording


def _class_of(exc: Any) -> str:
    return type(exc.exc if isinstance(exc, ExceptionWithTraceback) else exc).__name__


def _result_of(result: Any) -> str:
    """What the pool hands to on_success."""
    if isinstance(result, ExceptionInfo):
        return "left"  # SystemExit in a pool without processes
    failed, value, runtime = result
    if failed:  # a retry that cannot be sent becomes a Reject in Celery, whatever the task recorded
        return "Reject" if _class_of(value.exception) == "Reject" else f"raised:{_class_of(value.exception)}"
    return "succeeded" if runtime is not None else "nothing"


before_task_publish.connect(stamp, weak=False)
consumer.logger.addFilter(note_messages)
strategy.create_request_cls = create_recording_cls_upon(strategy.create_request_cls)
