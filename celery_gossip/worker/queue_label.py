"""Labels of queues with a generated name, so that a restart of a worker adds no new name. Pure; used by the probe.

`kombu.common.Broadcast` gives each worker a queue `bcast.<uuid>`, or `<queue>.<uuid>` with `unique=True`. A queue
without a name gets `amq.gen-…` from the broker.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["assign_labels", "is_server_named", "label_of"]

_UUID = re.compile(r"\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_SERVER_NAMED = "amq.gen-"
_ANONYMOUS = "amq.gen-*"  #: label of server-named queues that are bound to no fanout exchange


def label_of(queue: Any) -> str | None:
    """Return the label of a kombu Queue with a generated name; None for a queue that is reported by its own name.

    The label is the queue's alias, or the name of its fanout exchange. A name that ends in a UUID counts as generated
    only if the queue has a fanout exchange or an alias, as Broadcast sets them: otherwise a user may have chosen it.
    """
    name = str(queue.name)
    alias = queue.alias if queue.alias != name else None
    exchange = queue.exchange
    fanout = exchange.name if exchange is not None and exchange.type == "fanout" else None
    if name.startswith(_SERVER_NAMED):
        return str(alias or fanout or _ANONYMOUS)
    if _UUID.search(name) and (alias or fanout):
        return str(alias or fanout)
    return None


def is_server_named(name: str) -> bool:
    """Return True for a queue that the broker names, with a different name each time that it is declared."""
    return name.startswith(_SERVER_NAMED)


def assign_labels(labels: Mapping[str, str], queues: Iterable[Any]) -> dict[str, str]:
    """Return `{queue name: label}` of those of these queues that are not reported by their own name.

    `labels`: labels assigned before, which are kept. Queues that would share a label are numbered in the given order,
    which is that of the configuration, as `news` and `news#2`. No label equals the name of another queue of the worker.
    """
    listed = list(queues)
    preferred = {queue.name: label_of(queue) for queue in listed}
    used = {name for name, label in preferred.items() if label is None}
    assigned: dict[str, str] = {}
    for name, label in labels.items():
        if preferred.get(name) is not None and label not in used:
            assigned[name] = label
            used.add(label)
    for name, preference in preferred.items():
        if preference is not None and name not in assigned:
            assigned[name] = _unused(preference, used)
            used.add(assigned[name])
    return assigned


def _unused(label: str, used: set[str]) -> str:
    number, candidate = 1, label
    while candidate in used:
        number += 1
        candidate = f"{label}#{number}"
    return candidate
