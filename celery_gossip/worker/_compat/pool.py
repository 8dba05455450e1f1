"""Undocumented parts of Celery's and billiard's pools, and of their results. Any thread."""

from typing import Any

from celery_gossip.worker._compat.names import find

__all__ = ["green_pool_size", "has_returned", "pool_name", "process_start_timeout", "processes_up", "result_of"]

_PROC_ALIVE_TIMEOUT = 4.0  #: seconds, Celery's default of `worker_proc_alive_timeout`
_POOLS = {
    "celery.concurrency.prefork:TaskPool": "prefork",
    "celery.concurrency.eventlet:TaskPool": "eventlet",
    "celery.concurrency.gevent:TaskPool": "gevent",
    "celery.concurrency.solo:TaskPool": "solo",
    "celery.concurrency.thread:TaskPool": "threads",
}


def pool_name(pool: Any) -> str:
    """Return the pool's name as on the command line, or `module:Class` of a custom pool."""
    path = f"{type(pool).__module__}:{type(pool).__qualname__}"
    aliases = find("celery.concurrency:ALIASES") or {}
    names = {target: alias for alias, target in reversed(aliases.items())}
    return str(names.get(path) or _POOLS.get(path, path))


def green_pool_size(pool: Any) -> int | None:
    """Return the size of a pool of greenlets; None for other pools."""
    size = getattr(getattr(pool, "_pool", None), "size", None) if getattr(pool, "is_green", False) else None
    return size if isinstance(size, int) else None


def processes_up(pool: Any) -> int | None:
    """Return how many processes of a prefork pool are ready for tasks; None for other pools.

    `num_processes` is the configured number. An asynchronous pool registers each process that reports itself ready. Of
    a pool without an event loop only the processes that exist are known.
    """
    processes = getattr(pool, "_pool", None)
    up = getattr(processes, "_fileno_to_inq", None)
    if up is not None:
        return len(up)
    existing = getattr(processes, "_pool", None)
    return len(existing) if isinstance(existing, list) else None


def process_start_timeout(pool: Any) -> float:
    """Return the seconds within which a process of the pool has to report itself ready."""
    return float(getattr(getattr(pool, "_pool", None), "_proc_alive_timeout", _PROC_ALIVE_TIMEOUT))


def result_of(request: Any) -> Any:
    """Return the pool's result object of a request; None if there is none, or it no longer exists."""
    reference = getattr(request, "_apply_result", None)
    return reference() if callable(reference) else None


def has_returned(result: Any) -> bool:
    """Return True if the task of this pool result has returned or raised; False if it was stopped.

    The result is that of a thread, or billiard's of a child process.
    """
    future = getattr(result, "f", None)
    if future is not None:
        return bool(future.done())
    if not hasattr(result, "ready") or not result.ready():
        return False
    if getattr(result, "_success", False):
        return True
    exception = getattr(getattr(result, "_value", None), "exception", None)
    exception = getattr(exception, "exc", exception)  # wrapped with its traceback
    return type(exception).__name__ not in ("Terminated", "WorkerLostError")
