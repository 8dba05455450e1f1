"""What lies on the broker: messages and bytes."""

from collections.abc import Iterator

from benchmarks import traffic
from benchmarks.price.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

RATE = 200.0  #: tasks a second
LABELS = {"plain": "plain", "gossip": "this package", "-E": "`-E`"}


def measure(scale: Scale) -> Result:
    seconds = scale.pick(full=15.0, quick=4.0)
    seen = {kind: traffic.measure(kind, RATE, seconds) for kind in ("redis", "rabbitmq")}
    columns = ("broker", "worker", "messages/s", "in, KB/s", "out, KB/s", "beyond plain: messages/s", "in", "out")
    return Result(
        tables=(
            Table(
                (*columns, "out, of plain's"),
                tuple(row for kind, each in seen.items() for row in _rows(kind, each)),
                f"One worker, {RATE:.0f} no-op tasks a second, one who listens, {seconds:.0f} s each:",
            ),
        ),
        notes=tuple(f"On {kind}: {_compared(each)}" for kind, each in seen.items()),
    )


def _rows(kind: str, seen: dict[str, traffic.Traffic]) -> Iterator[tuple[Cell, ...]]:
    plain = seen["plain"]
    for name, each in seen.items():
        figures = each.published, each.incoming, each.outgoing
        beyond = figures[0] - plain.published, figures[1] - plain.incoming, figures[2] - plain.outgoing
        is_plain = each is plain
        yield (
            kind,
            LABELS[name],
            *figures,
            *(None if is_plain else more for more in beyond),
            None if is_plain else f"{each.outgoing / plain.outgoing:.2f}",
        )


def _compared(seen: dict[str, traffic.Traffic]) -> str:
    plain, ours, theirs = (seen[kind] for kind in traffic.KINDS)
    kept = ", ".join(f"{each.tasks:.0f}" for each in seen.values())
    behind = max(each.waiting for each in seen.values())
    return (
        f"events put {theirs.published - plain.published:.0f} messages a second on the broker beyond the tasks, this "
        f"package {ours.published - plain.published:.1f}; tasks a second were {kept}, and at most {behind} waited when "
        "a window ended."
    )


SECTION = Section(
    name="broker",
    title="What is on the broker",
    method="""\
A broker of its own, so that nothing else counts; one worker, plain, with this package and `celery gossip watch`, and
with `-E` and `celery events --dump`. Messages are all that is published: tasks, gossip, the listener's echo, events,
Celery's own heartbeats. Redis tells them by `INFO` (PUBLISH and LPUSH, bytes of the network), RabbitMQ by its global
counters and by the bytes of its connections, which needs no plugin. (`python -m benchmarks.traffic`)""",
    measure=measure,
    caveats="""\
What is beyond plain grows with the task rate for events, and with workers and listeners for gossip: one message per
worker and second in, as many out for each listener, and one echo per listener. The bytes of the tasks themselves
differ from window to window by more than gossip takes, so a small or negative difference means nothing but "small"; a
gossip of this worker is a few KB. Bytes of connections that were closed before a window ended are not in RabbitMQ's
figures.""",
)
