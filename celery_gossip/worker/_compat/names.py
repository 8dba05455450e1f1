"""Table of the undocumented names of Celery, Kombu and billiard that the worker side uses, and look-ups by name.

Each name has a canary test in tests/unit/worker/test_compat.py, which fails on a release without the name, and a row in
docs/reference/compatibility.md.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["ESSENTIAL", "INTERNALS", "Internal", "MissingName", "find", "missing", "require"]


@dataclass(frozen=True)
class Internal:
    """An undocumented name."""

    path: str  #: `module:name` or `module:Class.attribute`
    purpose: str
    without: str  #: behaviour on a release that does not have the name


_OFF = "gossip is off, with one log line"
_BY_FLAGS = "noticed by the flags and hooks of the worker"
_NOT_COUNTED = "tasks are not counted"
_BY_EVENT = "counted by the event that Celery sends"
_UNATTRIBUTED = "tasks are unattributed, and not counted"
_TIMER = "entries of the timer are not counted"
_SETTING = "that of the configuration"
_AMQP_RULE = "the rule of AMQP applies"

INTERNALS = (
    Internal("celery.worker.state:active_requests", "running tasks", _OFF),
    Internal("celery.worker.state:reserved_requests", "tasks that wait for a slot", _OFF),
    Internal("celery.worker.state:all_total_count", "number of accepted tasks", "`processed` is 0"),
    # Shutdown.
    Internal("celery.worker.state:should_stop", "notice SIGTERM", "noticed by the hook `close`"),
    Internal("celery.worker.state:should_terminate", "notice SIGQUIT", "noticed by the hook `close`"),
    Internal("celery.bootsteps:CLOSE", "notice a warm shutdown during a reconnect", _BY_FLAGS),
    Internal("celery.bootsteps:TERMINATE", "notice a cold shutdown during a reconnect", _BY_FLAGS),
    Internal("celery.bootsteps:Blueprint.state", "notice a shutdown during a reconnect", _BY_FLAGS),
    Internal("celery.worker:WorkController.wait_for_soft_shutdown", "notice a soft shutdown", "noticed at its end"),
    Internal("celery.worker.consumer:Consumer.cancel_active_requests", "note cancelled tasks", "they are not reported"),
    Internal("celery.worker.request:Request.acknowledged", "recognize tasks that return", "taken as interrupted"),
    Internal("celery.worker.request:Request._apply_result", "result of a cancelled task", "taken as ended"),
    Internal("billiard.pool:ApplyResult._success", "result of a cancelled task", "decided by its exception"),
    Internal("billiard.pool:ApplyResult._value", "exception of a cancelled task", "taken as ended"),
    Internal("celery.concurrency.thread:ApplyResult.f", "result of a cancelled task", "taken as interrupted"),
    # Requests.
    Internal("celery.worker.request:Request", "recognize tasks on the timer", "`scheduled` is 0"),
    Internal("celery.worker.request:Request.message", "queue of a task", _UNATTRIBUTED),
    Internal("celery.worker.request:Request.task", "name of a task", _NOT_COUNTED),
    Internal("celery.worker.request:Request.eta", "time from which a task could run", "waits are not measured"),
    Internal("celery.worker.request:Request.time_start", "age of running tasks", "known if their start was counted"),
    Internal("celery.worker.request:Request.request_dict", "retries of a running task", "they are 0"),
    Internal("celery.worker.request:Request.time_limits", "time limits of a running task", "they are left out"),
    Internal("celery.worker.request:Request._on_ack", "recognize batched tasks", "`batched` may be too high"),
    Internal("celery.worker.request:Request.on_accepted", "count started tasks", "`started` is 0"),
    Internal("celery.worker.request:Request.on_success", "count succeeded tasks", _BY_EVENT),
    Internal("celery.worker.request:Request.on_failure", "count failed tasks", _BY_EVENT),
    Internal("celery.worker.request:Request.on_timeout", "count tasks over their time limit", _BY_EVENT),
    Internal("celery.worker.request:Request.send_event", "count revoked tasks", "they are not counted"),
    Internal("celery.worker.request:create_request_cls", "source of the following name", _NOT_COUNTED),
    Internal("celery.worker.strategy:create_request_cls", "build request classes that count", _NOT_COUNTED),
    Internal("celery.worker.strategy:default", "recognize custom strategies", "recognized by their path"),
    Internal("celery.worker.consumer:Consumer.strategies", "count messages in batches", "`batched` is 0"),
    Internal("celery.worker.consumer:Consumer.on_decode_error", "count undecodable messages", "they are not counted"),
    Internal("celery.worker.consumer:Consumer.on_unknown_message", "count unknown formats", "they are not counted"),
    Internal("celery.worker.consumer:Consumer.on_invalid_task", "count invalid tasks", "they are not counted"),
    Internal("celery.worker.consumer:Consumer.on_unknown_task", "count unregistered tasks", "they are not counted"),
    # Failures.
    Internal("billiard.einfo:ExceptionInfo", "failure in a pool without processes", "not counted"),
    Internal("billiard.einfo:ExceptionInfo.exception", "exception of a failed task", _BY_EVENT),
    Internal("billiard.einfo:ExceptionInfo.type", "class of an exception", "its base class, if it cannot be rebuilt"),
    Internal("billiard.einfo:ExceptionWithTraceback", "exception in a process", "counted as that class"),
    Internal("billiard.einfo:ExceptionWithTraceback.exc", "exception in a process", _BY_EVENT),
    Internal("celery.utils.serialization:UnpickleableExceptionWrapper", "class of an exception", "that class itself"),
    Internal("celery.utils.serialization:UnpickleableExceptionWrapper.exc_cls_name", "the same", _BY_EVENT),
    # The timer and rate limits.
    Internal("kombu.asynchronous.timer:Timer._queue", "entries of the timer", "a sorted copy of them is read"),
    Internal("celery.utils.timer2:Timer.schedule", "entries of the timer without an event loop", _TIMER),
    Internal("kombu.asynchronous.timer:Entry.args", "tasks and token buckets on the timer", _TIMER),
    Internal("kombu.asynchronous.timer:Entry.canceled", "skip cancelled entries", _TIMER),
    Internal("kombu.asynchronous.timer:Entry.fun", "recognize token buckets", "`limited` may be too low"),
    Internal("celery.worker.consumer:Consumer._schedule_bucket_request", "the same", "`limited` may be too low"),
    Internal("celery.worker.consumer:Consumer.task_buckets", "token buckets", "`limited` may be too low"),
    Internal("kombu.utils.limits:TokenBucket.contents", "tasks in a token bucket", "`limited` is 0"),
    # Queues.
    Internal("kombu.common:QoS.value", "prefetch count", "`prefetch_count` is unknown"),
    Internal("kombu.messaging:Consumer._active_tags", "queue of a consumer tag", "found by the bindings"),
    Internal("celery.app.amqp:Queues.consume_from", "queues during a reconnect", _UNATTRIBUTED),
    Internal("kombu.abstract:MaybeChannelBound._channel", "transport of a queue", _AMQP_RULE),
    Internal("kombu.transport.virtual:Channel.exchange_types", "rule of topic exchanges on Redis", _AMQP_RULE),
    Internal("kombu.transport.virtual.exchange:TopicExchange.key_to_pattern", "the same", _AMQP_RULE),
    Internal("kombu.transport.virtual.exchange:TopicExchange._match", "the same", _AMQP_RULE),
    # The pool.
    Internal("celery.concurrency:ALIASES", "name of a pool", "the names in Celery 5"),
    Internal("celery.concurrency.base:BasePool.is_green", "recognize greenlets", "`concurrency` may be too low"),
    Internal("celery.concurrency.prefork:TaskPool._pool", "count processes", "the number that is configured"),
    Internal("celery.concurrency.asynpool:AsynPool._fileno_to_inq", "count processes that are ready", "all processes"),
    Internal("celery.concurrency.asynpool:AsynPool._proc_alive_timeout", "seconds for a process to start", "4 s"),
    Internal("billiard.pool:Pool._pool", "count processes without an event loop", "the number that is configured"),
    Internal("billiard.pool:Pool.process_flush_queues", "count processes that ended", "they are not counted"),
    Internal("billiard.pool:Pool._timeout_handler", "source of the following name", "counted as lost"),
    Internal(
        "billiard.pool:TimeoutHandler._trywaitkill", "recognize processes that time limits end", "counted as lost"
    ),
    Internal("billiard.process:BaseProcess._popen", "memory of the processes, and how they ended", "not reported"),
    Internal("billiard.popen_fork:Popen.returncode", "how processes ended", "not reported"),
    Internal("billiard.process:BaseProcess._controlled_termination", "recognize a pool that shrinks", "terminated"),
    Internal("billiard.process:BaseProcess._job_terminated", "recognize terminated tasks", "by the signal"),
    # Options in force.
    Internal("celery.worker:WorkController.time_limit", "time limit in force", _SETTING),
    Internal("celery.worker:WorkController.soft_time_limit", "soft time limit in force", _SETTING),
    Internal("celery.worker:WorkController.prefetch_multiplier", "prefetch multiplier in force", _SETTING),
    Internal("celery.worker:WorkController.max_tasks_per_child", "tasks per process in force", _SETTING),
    Internal("celery.worker:WorkController.max_memory_per_child", "memory per process in force", _SETTING),
    Internal("celery.worker:WorkController.task_events", "task events in force", _SETTING),
    Internal("celery.worker:WorkController.autoscale", "limits of the pool in force", "they are not reported"),
    Internal("celery.app.defaults:DEFAULTS", "leave out settings that have their default", "they are reported, too"),
    Internal("kombu.transport.redis:Channel.visibility_timeout", "default of the visibility timeout", "it is unknown"),
    # Start and command line.
    Internal("celery._state:_get_active_apps", "other apps of a process that counts what it sends", "not noticed"),
    Internal("celery.utils.nodenames:node_format", "expand %n, %h and %d in a path", "expanded by own code"),
    Internal("celery.bin.base:CeleryOption", "heading of the flags in --help", "no heading"),
    Internal("celery.bin.worker:worker", "offer the flags in apps that do not call install()", "not offered there"),
    Internal("celery.exceptions:CeleryCommandException", "refuse to start in one line", "click's own exception"),
)

#: Names without which there is nothing to report.
ESSENTIAL = tuple(one.path for one in INTERNALS if one.without == _OFF)


class MissingName(AttributeError):
    """This release of Celery does not have an undocumented name that a value depends on."""


def find(path: str, default: Any = None) -> Any:
    """Return the object at `module:name`, or `default` if the installed release does not have it."""
    module, _, name = path.partition(":")
    try:  # import_module() alone would take most of the time of a report's many calls
        return getattr(sys.modules.get(module) or import_module(module), name, default)
    except ImportError:
        return default


def missing(paths: Iterable[str] = ESSENTIAL) -> list[str]:
    """Return those of these `module:name` paths that the installed release does not have."""
    absent = object()
    return [path for path in paths if find(path, absent) is absent]


def require(path: str) -> Any:
    """Return the object at `module:name`; raises MissingName if the installed release does not have it."""
    found = find(path)
    if found is None:
        raise MissingName(f"this Celery has no {path}")
    return found
