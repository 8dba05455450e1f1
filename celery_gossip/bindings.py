"""Which queue a delivery came from, told by the queues' own bindings, and how many came from each. Pure; for the probe.

For transports that deliver no consumer tag (Redis, memory, filesystem): there only the exchange and the routing key of
a message are known, and the queues that this worker consumes. What fits one queue is told; what fits none or several
is not guessed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import ReferenceType, ref

__all__ = ["Bindings", "Origins"]

_CACHE_SIZE = 4096  #: routing keys are chosen by clients: without a bound the cache could grow for ever


class Bindings:
    """A lookup over kombu Queues, read once: build a new one when the set of queues changes."""

    def __init__(self, queues: Iterable[Any]) -> None:
        self._bound = [(queue.name, tuple(_bindings_of(queue))) for queue in queues]
        self.names = frozenset(name for name, _ in self._bound)
        self._cache: dict[tuple[Any, Any], str | None] = {}

    def queue_of(self, exchange: Any, routing_key: Any) -> str | None:
        """The one queue to which `exchange` and `routing_key` lead, or None."""
        key = (exchange, routing_key)
        if key not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = self._find(exchange, routing_key)
        return self._cache[key]

    def _find(self, exchange: Any, routing_key: Any) -> str | None:
        if not isinstance(exchange, str) or not isinstance(routing_key, str):
            return None
        if exchange == "":  # the default exchange: the routing key is the queue's name
            return next((name for name, _ in self._bound if name == routing_key), None)
        found = [name for name, bindings in self._bound if _leads(bindings, exchange, routing_key)]
        return found[0] if len(found) == 1 else None


class Origins:
    """How many requests came from each queue, round after round: of each request that is asked but once.

    A worker may hold thousands, nearly all of them for many rounds. They are held weakly: Celery's own lists are weak.
    """

    def __init__(self, queue_of: Callable[[Any], str | None]) -> None:
        self._queue_of = queue_of
        self._known: dict[ReferenceType[Any], str | None] = {}
        self._counts: Counter[str | None] = Counter()

    def count(self, requests: list[Any]) -> Counter[str | None]:
        """`{queue: requests}` of those that are there now; the key None is for those that could not be told."""
        here, known, counts = set(map(ref, requests)), self._known, self._counts
        for gone in known.keys() - here:
            counts[known.pop(gone)] -= 1
        for new in here.difference(known):
            queue = known[new] = self._queue_of(new())
            counts[queue] += 1
        return +counts

    def forget(self) -> None:
        """There are new queues, so that all have to be asked again."""
        self._known.clear()
        self._counts.clear()


def topic_matches(pattern: str, routing_key: str) -> bool:
    """AMQP's topic rule: `*` stands for one word, `#` for any number of words, words are parted by dots."""
    return _words_match(pattern.split("."), routing_key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    reachable = {0}
    for part in pattern:
        if part == "#":
            reachable = set(range(min(reachable), len(words) + 1))
        else:
            reachable = {at + 1 for at in reachable if at < len(words) and part in ("*", words[at])}
        if not reachable:
            return False
    return len(words) in reachable


def _bindings_of(queue: Any) -> Iterator[tuple[str, str, str]]:
    for binding in (queue, *(queue.bindings or ())):
        exchange = binding.exchange
        if exchange is not None and exchange.name:
            yield exchange.name, exchange.type, binding.routing_key or ""


def _leads(bindings: tuple[tuple[str, str, str], ...], exchange: str, routing_key: str) -> bool:
    return any(name == exchange and _accepts(kind, key, routing_key) for name, kind, key in bindings)


def _accepts(kind: str, binding_key: str, routing_key: str) -> bool:
    if kind == "fanout":
        return True
    if kind == "topic":
        return topic_matches(binding_key, routing_key)
    return kind == "direct" and binding_key == routing_key
