"""What a round costs a worker with many queues and many tasks."""

from benchmarks import probing
from benchmarks.price.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

HELD = (
    probing.Held(queues=1, reserved=16, active=4),
    probing.Held(queues=64, reserved=16, active=16),
    probing.Held(queues=64, reserved=1_000, active=16),
    probing.Held(queues=64, reserved=10_000, active=16),
)


def measure(scale: Scale) -> Result:
    rounds = scale.pick(full=100, quick=20)
    rows = [
        row(held, transport, probing.measure(held, transport, rounds))
        for held in HELD
        for transport in ("redis", "rabbitmq")
    ]
    columns = ("queues", "reserved", "active", "deliveries of", "event loop, ms: wall p50", "max", "CPU p50")
    return Result(
        tables=(
            Table(
                (*columns, "sender's thread, ms: wall p50", "max", "bytes"),
                tuple(rows),
                f"{rounds} rounds each:",
            ),
        )
    )


def row(held: probing.Held, transport: str, seen: probing.Round) -> tuple[Cell, ...]:
    loop, cpu, encode = seen.loop_wall, seen.loop_cpu, seen.encode_wall
    return (
        held.queues, held.reserved, held.active, transport,
        loop.p50, loop.most, cpu.p50, encode.p50, encode.most, seen.size,
    )  # fmt: skip


SECTION = Section(
    name="probe",
    title="What a round costs a worker that holds many tasks",
    method="""\
One round in one process, without a broker: Celery's own `Request` objects on Celery's own lists, the consumer around
them a fake. The worker reads its lists and composes the gossip on its event loop, once a second; it completes and
encodes it on the sender's thread. (`python -m benchmarks.probing`)""",
    measure=measure,
    caveats="""\
Nobody sets out to reserve 10,000 tasks in one worker; a prefetch multiplier of 0 does it. Then a round has to look at
each of them; in the first round that sees a task it is asked for its queue, which takes a microsecond (see "What was
improved"). The gossip itself does not grow: it tells counts, and ids of running tasks alone.""",
)
