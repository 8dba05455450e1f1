"""Find the queue of a delivery by the bindings of the queues, and count requests by queue. Pure; used by the probe.

SentRoutes uses the same bindings for tasks that a process sends.

For transports that deliver no consumer tag (Redis, memory, filesystem). There only the exchange and the routing key of
a message are known, and the queues that this worker consumes. A message that matches one queue is attributed to it; a
message that matches none or several is not.

On such transports Kombu routes in the sender, with its own rule for topic exchanges, which differs from that of AMQP:
`a.#` does not match `a`, and before Kombu 5.7 `*` matches across dots. See _compat.topic_rule_of.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from celery_gossip.worker import _compat as compat

__all__ = ["Bindings", "QueueCounter", "WaitingRequest"]

_CACHE_SIZE = 4096  #: clients choose routing keys: without a limit the cache could grow without end


class Bindings:
    """Look-up over kombu Queues, which are read once: build a new one when the set of queues changes."""

    def __init__(self, queues: Iterable[Any]) -> None:
        self._bound = [(queue.name, tuple(_bindings_of(queue))) for queue in queues]
        self.names = frozenset(name for name, _ in self._bound)
        self._cache: dict[tuple[Any, Any], str | None] = {}

    def queue_of(self, exchange: Any, routing_key: Any) -> str | None:
        """Return the only queue that a message with this exchange and routing key reaches; None if not exactly one."""
        key = (exchange, routing_key)
        if key not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = self._find(exchange, routing_key)
        return self._cache[key]

    def queues_of(self, exchange: str, routing_key: str) -> tuple[str, ...] | None:
        """Return all queues that a message reaches; None if the exchange is unknown, or neither direct nor topic."""
        found, is_known = [], False
        for name, bindings in self._bound:
            of_exchange = [one for one in bindings if one.exchange == exchange]
            if any(one.exchange_type not in ("direct", "topic") for one in of_exchange):
                return None
            is_known = is_known or bool(of_exchange)
            if any(one.accepts(exchange, routing_key) for one in of_exchange):
                found.append(name)
        return tuple(found) if is_known else None

    def _find(self, exchange: Any, routing_key: Any) -> str | None:
        if not isinstance(exchange, str) or not isinstance(routing_key, str):
            return None
        if exchange == "":  # the default exchange: the routing key is the queue's name
            return next((name for name, _ in self._bound if name == routing_key), None)
        found = [name for name, bindings in self._bound if any(one.accepts(exchange, routing_key) for one in bindings)]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class _Binding:
    """A binding of a queue."""

    exchange: str
    exchange_type: str
    key: str
    topic_rule: Callable[[str, str], Any]

    def accepts(self, exchange: str, routing_key: str) -> bool:
        if exchange != self.exchange:
            return False
        if self.exchange_type == "topic":
            return bool(self.topic_rule(self.key, routing_key))
        return self.exchange_type == "fanout" or (self.exchange_type == "direct" and self.key == routing_key)


class WaitingRequest(NamedTuple):
    """A request that a QueueCounter has counted before."""

    request: Any
    queue: str | None  #: None if it is unknown
    task: str
    since: float  #: time of the count in which it was first


class QueueCounter:
    """Counts requests by queue and task in each report, and looks up those of each request only once.

    A worker may hold thousands of requests, most of them during many reports. They are referenced weakly, as Celery's
    own lists do.
    """

    def __init__(self, queue_of: Callable[[Any], str | None]) -> None:
        self._queue_of = queue_of
        #: `{request: ((queue, task name), time of its first count)}`, the earliest first
        self._known: dict[ReferenceType[Any], tuple[tuple[str | None, str], float]] = {}
        self._is_stale = False
        self._counted_at = 0.0
        self._counts: Counter[str | None] = Counter()
        self.by_task: Counter[tuple[str | None, str]] = Counter()  #: `{(queue, task name): requests}` of the last count

    def count(self, requests: Iterable[Any], now: float = 0.0) -> Counter[str | None]:
        """Return `{queue: requests}` of these requests; the key None stands for an unknown queue."""
        if self._is_stale:
            self._look_up_again()
        self._counted_at = now
        current, known, counts, by_task = set(map(ref, requests)), self._known, self._counts, self.by_task
        for gone in known.keys() - current:
            key, _ = known.pop(gone)
            counts[key[0]] -= 1
            by_task[key] -= 1
            if not by_task[key]:
                del by_task[key]
        for new in current.difference(known):
            request = new()
            key = self._queue_of(request), compat.task_name(request)
            known[new] = key, now
            counts[key[0]] += 1
            by_task[key] += 1
        return +counts

    def reset(self) -> None:
        """Look up the queues of all requests again, because the set of queues has changed."""
        self._is_stale = True

    @property
    def has_earlier(self) -> bool:
        """True if a request of the last count was in an earlier one."""
        return next((since < self._counted_at for _, since in self._known.values()), False)

    def known_before(self) -> Iterator[WaitingRequest]:
        """Yield the requests of the last count that were in an earlier one, the earliest first."""
        for one, ((queue, task), since) in self._known.items():
            if since >= self._counted_at:
                return
            request = one()
            if request is not None:
                yield WaitingRequest(request, queue, task, since)

    def _look_up_again(self) -> None:
        self._is_stale = False
        self._counts.clear()
        self.by_task.clear()
        for one, (_, since) in list(self._known.items()):
            request = one()
            if request is None:
                del self._known[one]
                continue
            key = self._queue_of(request), compat.task_name(request)
            self._known[one] = key, since
            self._counts[key[0]] += 1
            self.by_task[key] += 1


def topic_matches(pattern: str, routing_key: str) -> bool:
    """Apply AMQP's topic rule: `*` stands for one word, `#` for any number of words; dots separate words."""
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


def _bindings_of(queue: Any) -> Iterator[_Binding]:
    rule = compat.topic_rule_of(queue) or topic_matches
    for binding in (queue, *(queue.bindings or ())):
        exchange = binding.exchange
        if exchange is not None and exchange.name:
            yield _Binding(exchange.name, exchange.type, binding.routing_key or "", rule)
