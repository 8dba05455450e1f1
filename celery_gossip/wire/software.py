"""Parts of a report about what a worker runs: its release, versions, registered tasks and settings. Pure.

Read by messages.py, which re-exports them. The settings are numbers and flags only, each under a fixed name, so that no
text of a configuration can be in a report.
"""

from typing import Annotated, Literal

import msgspec

from celery_gossip.wire.limits import Count, Name, Seconds

__all__ = ["MAX_HELD", "MAX_RELEASE", "MAX_VERSION", "HeldMessage", "HeldState", "Settings", "Software", "settings_of"]

MAX_RELEASE = 64  #: characters of a release
MAX_VERSION = 32  #: characters of a version
MAX_HELD = 3  #: messages in a report that are held for long

HeldState = Literal["running", "reserved", "scheduled"]
_Version = Annotated[str, msgspec.Meta(max_length=MAX_VERSION)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Settings in force, under the names that they have in Celery. None: not set, or not known."""

    task_acks_late: bool | None = None
    task_acks_on_failure_or_timeout: bool | None = None
    task_reject_on_worker_lost: bool | None = None
    task_track_started: bool | None = None
    task_ignore_result: bool | None = None
    task_time_limit: Seconds | None = None
    task_soft_time_limit: Seconds | None = None
    worker_prefetch_multiplier: Count | None = None
    worker_max_tasks_per_child: Count | None = None
    worker_max_memory_per_child: Count | None = None  #: KiB
    worker_eta_task_limit: Count | None = None
    worker_enable_remote_control: bool | None = None
    worker_send_task_events: bool | None = None
    worker_cancel_long_running_tasks_on_connection_loss: bool | None = None
    worker_soft_shutdown_timeout: Seconds | None = None
    broker_connection_retry: bool | None = None
    #: Seconds after which the broker delivers a message again that is not acknowledged. Only of transports that have
    #: such a timeout (Redis; SQS, if it is set), with their default.
    visibility_timeout: Seconds | None = None


class Software(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Release, versions, registered tasks and settings of a worker. Empty or None where it is not known."""

    release: Annotated[str, msgspec.Meta(max_length=MAX_RELEASE)] = ""  #: of the project
    celery: _Version = ""
    kombu: _Version = ""
    python: _Version = ""
    gossip: _Version = ""  #: version of this package
    #: Digest of the sorted names of the tasks that were registered when the worker started, without Celery's own.
    registry: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")] = ""
    tasks: Count = 0  #: number of these tasks
    settings: Settings = Settings()


class HeldMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that is not acknowledged yet: `[queue, task, id, state, age, remaining]` on the wire."""

    queue: Name  #: empty if unknown
    task: Name
    id: Name
    state: HeldState
    age: Seconds  #: seconds since the worker received it
    remaining: Seconds = 0.0  #: seconds for which it is held at least, because its ETA has not come


def settings_of(software: Software) -> dict[str, bool | float]:
    """Return the settings that are known, `{name: value}`."""
    values = msgspec.structs.asdict(software.settings)
    return {name: value for name, value in values.items() if value is not None}
