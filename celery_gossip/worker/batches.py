"""Batches: counts messages held by tasks with a custom strategy, such as those of celery-batches. Owned by the probe.

Such a strategy keeps requests in a buffer and runs several as one job of the pool, so Celery lists them nowhere. Each
message comes with a promise that acknowledges it, and its request holds the promise: as long as the promise exists, the
message is held. The promises are referenced weakly. Only the message handlers of these tasks are replaced, so ordinary
tasks have no additional cost.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from celery_gossip.worker import _compat as compat

__all__ = ["Batches"]


class Batches:
    """Counts the messages that the tasks with a custom strategy of one consumer hold."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._promises: WeakSet[Any] = WeakSet()
        self._task_names: list[str] | None = None  # of tasks with a custom strategy; None: not looked up yet

    def on_consumer_start(self) -> None:
        """Look up the tasks again: the consumer has started, for the first time or after a reconnect."""
        self._task_names = None

    def count(self, listed: Iterable[Any]) -> int:
        """Return how many messages are buffered or run in a batch. The first call replaces the message handlers.

        `listed`: the requests in Celery's own lists; a custom strategy may pass messages on to the default one.
        """
        self._replace_handlers()
        if not self._promises:
            return 0
        promises = {id(promise) for promise in compat.copied(self._promises)}
        return len(promises - compat.promise_ids(listed))

    def _replace_handlers(self) -> None:
        """Replace the handlers of tasks with a custom strategy; Celery builds new handlers at each start."""
        if self._task_names is None:
            tasks = getattr(getattr(self._consumer, "app", None), "tasks", {})
            self._task_names = [name for name, task in compat.copied(tasks.items()) if compat.has_custom_strategy(task)]
        handlers = self._consumer.strategies if self._task_names else {}
        for name in self._task_names:
            handler = handlers.get(name)
            if handler is not None and not isinstance(handler, _RecordingHandler):
                handlers[name] = _RecordingHandler(handler, self._promises.add)


class _RecordingHandler:
    """Message handler of a task that passes the promise of each message to `record`, then calls the original one."""

    def __init__(self, handler: Callable[..., Any], record: Callable[[Any], None]) -> None:
        self._handler = handler
        self._record = record

    def __call__(self, message: Any, body: Any, ack: Any, *args: Any, **kwargs: Any) -> Any:
        with suppress(TypeError):  # the promise cannot be referenced weakly
            self._record(ack)
        return self._handler(message, body, ack, *args, **kwargs)
