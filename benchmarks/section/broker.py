"""Load on the broker: messages and bytes."""

from collections.abc import Iterator

from benchmarks import traffic
from benchmarks.report.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

RATE = 200.0  #: tasks a second
LABELS = {"plain": "plain", "gossip": "this package", "-E": "`-E`"}


def measure(scale: Scale) -> Result:
    seconds = scale.pick(full=15.0, quick=4.0)
    traffics = {kind: traffic.measure(kind, RATE, seconds) for kind in ("redis", "rabbitmq")}
    columns = ("broker", "worker", "messages/s", "in, KB/s", "out, KB/s", "added: messages/s", "in", "out")
    return Result(
        tables=(
            Table(
                (*columns, "out, ratio to plain"),
                tuple(row for kind, each in traffics.items() for row in _rows(kind, each)),
                f"One worker, {RATE:.0f} no-op tasks per second, one listener, {seconds:.0f} s each:",
            ),
        ),
        notes=tuple(f"On {kind}: {_compared(each)}" for kind, each in traffics.items()),
    )


def _rows(kind: str, seen: dict[str, traffic.Traffic]) -> Iterator[tuple[Cell, ...]]:
    plain = seen["plain"]
    for name, each in seen.items():
        rates = each.published, each.incoming, each.outgoing
        added = rates[0] - plain.published, rates[1] - plain.incoming, rates[2] - plain.outgoing
        is_plain = each is plain
        yield (
            kind,
            LABELS[name],
            *rates,
            *(None if is_plain else rate for rate in added),
            None if is_plain else f"{each.outgoing / plain.outgoing:.2f}",
        )


def _compared(seen: dict[str, traffic.Traffic]) -> str:
    plain, ours, theirs = (seen[kind] for kind in traffic.KINDS)
    kept = ", ".join(f"{each.tasks:.0f}" for each in seen.values())
    behind = max(each.waiting for each in seen.values())
    return (
        f"events add {theirs.published - plain.published:.0f} messages per second to the tasks, this package "
        f"{ours.published - plain.published:.1f}. Tasks per second were {kept}; at most {behind} were waiting at the "
        "end of a window."
    )


SECTION = Section(
    name="broker",
    title="Load on the broker",
    method="""\
A separate broker, so that nothing else is counted. One worker: plain, then with this package and `celery gossip watch`,
then with `-E` and `celery events --dump`. Messages are everything that is published: tasks, gossip, the listener's
echo, events, Celery's own heartbeats. The figures come from Redis' `INFO` (PUBLISH and LPUSH calls, network bytes), and
from RabbitMQ's global counters and the bytes of its connections, without a plugin. (`python -m benchmarks.traffic`)""",
    measure=measure,
    caveats="""\
The added load grows with the task rate for events, and with workers and listeners for gossip: one message in per worker
and second, one message out per worker, second and listener, and one echo per listener. The bytes of the tasks vary
between windows by more than gossip takes, so a small or negative difference only means "small"; one gossip message of
this worker has a few KB. RabbitMQ's figures do not include connections that were closed before the end of a window.""",
)
