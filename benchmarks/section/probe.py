"""Cost of a report in a worker with many queues and many tasks."""

from benchmarks import probing
from benchmarks.report.result import Cell, Result, Scale, Section, Table

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
    columns = ("queues", "reserved", "active", "transport", "event loop, ms: wall p50", "max", "CPU p50")
    return Result(
        tables=(
            Table(
                (*columns, "sender thread, ms: wall p50", "max", "bytes"),
                tuple(rows),
                f"{rounds} reports each:",
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
    title="Cost of a report in a worker that holds many tasks",
    method="""\
One report in one process, without a broker: Celery's own `Request` objects in Celery's own lists, with a fake consumer.
A worker reads its lists and builds the gossip on its event loop, once per second; it completes and encodes it on the
sender thread. (`python -m benchmarks.probing`)""",
    measure=measure,
    caveats="""\
A worker reserves 10,000 tasks with a prefetch multiplier of 0. Then a report has to examine each of them; the first
report that contains a task finds its queue, which takes a microsecond (see "Improvements"). The gossip itself does not
grow, because it contains counts, and ids of running tasks only.""",
)
