"""Undocumented parts of billiard's pool: its processes, and how they ended. Sender thread, unless noted.

Nothing here waits for a process or asks whether it has ended: that is left to billiard, on the worker's main thread.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

__all__ = ["ProcessEnd", "end_of_process", "living_processes", "process_pool", "watch_ends"]


class ProcessEnd(NamedTuple):
    """How a process of the pool ended."""

    exit_code: int  #: negative for a signal
    is_controlled: bool  #: stopped by the worker: the pool shrank, or a task was terminated
    is_terminated: bool  #: for a task: `revoke(terminate=True)`


def process_pool(pool: Any) -> Any:
    """Return billiard's pool of processes; None for a pool without processes, and before its start."""
    processes = getattr(pool, "_pool", None)
    return processes if isinstance(getattr(processes, "_pool", None), list) else None


def living_processes(processes: Any) -> list[int]:
    """Return the ids of the processes of billiard's pool that, as far as billiard knows, have not ended."""
    children = [getattr(process, "_popen", None) for process in list(processes._pool)]
    return [child.pid for child in children if child is not None and child.returncode is None]


def end_of_process(process: Any) -> ProcessEnd | None:
    """Return how this process ended; None if billiard has not noticed its end. Any thread."""
    code = getattr(getattr(process, "_popen", None), "returncode", None)
    if not isinstance(code, int):
        return None
    return ProcessEnd(
        code,
        is_controlled=bool(getattr(process, "_controlled_termination", False)),
        is_terminated=bool(getattr(process, "_job_terminated", False)),
    )


def watch_ends(processes: Any, on_end: Callable[[Any], None], on_time_limit: Callable[[Any], None]) -> bool:
    """Let billiard's pool call these, on its own thread, with each process that ends, and that it will kill.

    `on_end` may also be called for a process that has not ended, and more than once. `on_time_limit` is called before a
    process is killed because its task has reached the time limit. Return False if this billiard does not report ends.
    """
    _call_before(getattr(processes, "_timeout_handler", None), "_trywaitkill", on_time_limit)
    return _call_before(processes, "process_flush_queues", on_end)


def _call_before(owner: Any, name: str, note: Callable[[Any], None]) -> bool:
    """Let this object call `note` before its method. Return False if it has no such method."""
    method = getattr(owner, name, None)
    if not callable(method):
        return False

    def note_and_call(process: Any) -> Any:
        with suppress(Exception):  # the pool must be maintained whatever happens here
            note(process)
        return method(process)

    setattr(owner, name, note_and_call)
    return True
