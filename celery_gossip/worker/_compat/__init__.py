"""Access to undocumented names of Celery, Kombu and billiard. Other modules of the worker side use these functions.

Importing this package never fails because a name is missing: a missing name costs only the value that depends on it. If
the value cannot be replaced, reading it raises MissingName. The table of all names is `INTERNALS`.
"""

from celery_gossip.worker._compat.command import grouped_option, start_refusal, worker_command
from celery_gossip.worker._compat.names import ESSENTIAL, INTERNALS, Internal, MissingName, find, missing
from celery_gossip.worker._compat.node_format import expand_node_format
from celery_gossip.worker._compat.pool import (
    green_pool_size,
    has_returned,
    pool_name,
    process_start_timeout,
    processes_up,
    result_of,
)
from celery_gossip.worker._compat.pool_process import (
    ProcessEnd,
    end_of_process,
    living_processes,
    process_pool,
    watch_ends,
)
from celery_gossip.worker._compat.queue import prefetch_count, queues_to_consume, tags_by_queue, topic_rule_of
from celery_gossip.worker._compat.request import (
    eta,
    has_custom_strategy,
    is_acknowledged,
    is_redelivered,
    promise_ids,
    replace_request_factory,
    request_factory,
    retries,
    task_name,
    time_limits,
    time_started,
)
from celery_gossip.worker._compat.settings import (
    autoscale_limits,
    default_settings,
    option_in_force,
    redelivery_timeout,
)
from celery_gossip.worker._compat.state import (
    accepted_count,
    active_apps,
    copied,
    is_shutdown_requested,
    is_shutting_down,
    is_terminate_requested,
    requests_in,
)
from celery_gossip.worker._compat.timer import TimerContents, bucket_requests, task_buckets, timer_contents

__all__ = [
    "ESSENTIAL",
    "INTERNALS",
    "Internal",
    "MissingName",
    "ProcessEnd",
    "TimerContents",
    "accepted_count",
    "active_apps",
    "autoscale_limits",
    "bucket_requests",
    "copied",
    "default_settings",
    "end_of_process",
    "eta",
    "expand_node_format",
    "find",
    "green_pool_size",
    "grouped_option",
    "has_custom_strategy",
    "has_returned",
    "is_acknowledged",
    "is_redelivered",
    "is_shutdown_requested",
    "is_shutting_down",
    "is_terminate_requested",
    "living_processes",
    "missing",
    "option_in_force",
    "pool_name",
    "prefetch_count",
    "process_pool",
    "process_start_timeout",
    "processes_up",
    "promise_ids",
    "queues_to_consume",
    "redelivery_timeout",
    "replace_request_factory",
    "request_factory",
    "requests_in",
    "result_of",
    "retries",
    "start_refusal",
    "tags_by_queue",
    "task_buckets",
    "task_name",
    "time_limits",
    "time_started",
    "timer_contents",
    "topic_rule_of",
    "watch_ends",
    "worker_command",
]
