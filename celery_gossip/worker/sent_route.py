"""SentRoutes: the queue that a task reaches which this process sends with an exchange and a routing key.

Called by the SentReporter on its thread. Only exchanges whose rule is known are evaluated: the default exchange, where
the routing key is the name of the queue, and direct and topic exchanges of the queues in the app's settings. The others
are unknown: fanout exchanges (each worker receives a copy), delayed delivery, headers, exchanges that the settings do
not contain, and keys to which several queues are bound: a queue may be in the settings and not on the broker, and its
copy of the message does not vanish if another queue has one.
"""

from collections.abc import Callable, Iterable
from typing import Any

from celery_gossip.worker.bindings import Bindings

__all__ = ["SentRoutes"]

_UNKNOWN = ("", False)
_CACHE_SIZE = 1000  #: clients choose routing keys
_GENERATED = "amq."  #: names that the broker generates; workers report them under another name


class SentRoutes:
    """Finds the queue of a route. `queues` returns the kombu Queues that the app knows."""

    def __init__(self, queues: Callable[[], Iterable[Any]]) -> None:
        self._queues = queues
        self._names: tuple[str, ...] = ()
        self._bindings = Bindings(())
        self._fanouts: frozenset[str] = frozenset()  #: names of queues of fanout exchanges
        self._cache: dict[tuple[Any, Any], tuple[str, bool]] = {}

    def refresh(self) -> None:
        """Read the queues again if there are others: Celery adds a queue when a task is first sent to it."""
        queues = list(self._queues())
        names = tuple(str(queue.name) for queue in queues)
        if names != self._names:
            self._bindings, self._names = Bindings(queues), names
            self._fanouts = frozenset(str(queue.name) for queue in queues if _is_fanout(queue))
            self._cache.clear()

    def find(self, exchange: Any, routing_key: Any) -> tuple[str, bool]:
        """Return `(queue, is_route)` of a message; an empty name if the queue is not known.

        If the exchange is known and has no queue with this routing key, `exchange/routing key` and True.
        """
        key = (exchange, routing_key)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            found = self._cache[key] = self._find(exchange, routing_key)
        return found

    def _find(self, exchange: Any, routing_key: Any) -> tuple[str, bool]:
        if not isinstance(exchange, str) or not isinstance(routing_key, str):
            return _UNKNOWN
        if exchange == "":
            is_unknown = not routing_key or routing_key.startswith(_GENERATED) or routing_key in self._fanouts
            return _UNKNOWN if is_unknown else (routing_key, False)
        queues = self._bindings.queues_of(exchange, routing_key)
        if queues == ():
            return f"{exchange}/{routing_key}", True
        if queues is None or len(queues) > 1 or queues[0] in self._fanouts or queues[0].startswith(_GENERATED):
            return _UNKNOWN
        return queues[0], False


def _is_fanout(queue: Any) -> bool:
    return getattr(getattr(queue, "exchange", None), "type", None) == "fanout"
