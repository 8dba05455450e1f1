"""Load of monitoring on the broker: messages and bytes per second of gossip and of task events, at the same task rate.

`python -m benchmarks.traffic [--kind redis|rabbitmq] [--rate 200] [--seconds 20]`

A separate broker, so that nothing else is counted, and a worker on it: plain Celery, with gossip and one listener
(`celery gossip watch`), with `-E` and one consumer (`celery events --dump`). The load of the tasks themselves is that
of plain Celery, and is subtracted. Messages are everything that is published: tasks and all broadcasts, including the
worker's heartbeats.
"""

import argparse
import contextlib
import re
import time
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks import process
from benchmarks.load import driven
from benchmarks.workload import WITHOUT, project_on, remaining
from tests.support import brokers
from tests.support.workers import Project

#: `{kind: (flags of the worker, command that listens)}`
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "plain": (WITHOUT, ()),
    "gossip": ((), ("gossip", "watch", "--json")),
    "-E": ((*WITHOUT, "-E"), ("events", "--dump")),
}
WARM_UP = 5.0  #: seconds

#: Query for RabbitMQ that needs no plugin. It does not include connections that are closed already.
_TALLY = """
Of = fun(Key) -> lists:sum([Count || Connection <- rabbit_networking:connections(),
                                     {_, Count} <- rabbit_networking:connection_info(Connection, [Key])]) end,
Global = maps:get([{protocol, amqp091}], rabbit_global_counters:overview()),
{erlang:monotonic_time(millisecond), maps:get(messages_received_total, Global), Of(recv_oct), Of(send_oct)}.
"""


@dataclass(frozen=True)
class Counters:
    """Counters of a broker since it was started."""

    at: float  #: seconds
    published: int
    incoming: int  #: bytes
    outgoing: int  #: bytes


@dataclass(frozen=True)
class Traffic:
    """Rates per second."""

    tasks: float
    published: float
    incoming: float  #: KB
    outgoing: float  #: KB
    waiting: int  #: tasks left on the broker at the end; if more than a few, the worker was too slow


def main() -> None:
    options = parse()
    plain = None
    for kind, seen in measure(options.kind, options.rate, options.seconds).items():
        plain = plain or seen
        print(
            f"{kind:>7}: {seen.tasks:.0f} tasks/s, {seen.published:.1f} messages/s, in {seen.incoming:.1f} KB/s, "
            f"out {seen.outgoing:.1f} KB/s; added: in {seen.incoming - plain.incoming:.1f}, "
            f"out {seen.outgoing - plain.outgoing:.1f}; out is {seen.outgoing / plain.outgoing:.2f} times plain; "
            f"left waiting {seen.waiting}",
            flush=True,
        )


def measure(broker_kind: str, rate: float, seconds: float) -> dict[str, Traffic]:
    """Measure each kind in turn, on one private broker."""
    with brokers.running(brokers.private(broker_kind)) as broker:
        return {kind: _measure(broker, kind, rate, seconds) for kind in KINDS}


def _measure(broker: brokers.PrivateBroker, kind: str, rate: float, seconds: float) -> Traffic:
    flags, command = KINDS[kind]
    with (
        project_on(broker.url) as project,
        project.worker("--without-mingle", "-l", "WARNING", *flags),
        listening(project, command),
        driven(project, rate) as load,
    ):
        time.sleep(WARM_UP)
        before = counters(broker)
        time.sleep(seconds)
        after, waiting = counters(broker), remaining(project)
    passed = after.at - before.at
    return Traffic(
        tasks=load.rate,
        published=(after.published - before.published) / passed,
        incoming=(after.incoming - before.incoming) / passed / 1e3,
        outgoing=(after.outgoing - before.outgoing) / passed / 1e3,
        waiting=waiting,
    )


def listening(project: Project, command: tuple[str, ...]) -> contextlib.AbstractContextManager[Any]:
    """Run `celery -A project COMMAND` as the listener; nothing without a command."""
    if not command:
        return contextlib.nullcontext()
    return process.running(project, process.python("celery", "-A", project.module, *command))


def counters(broker: brokers.PrivateBroker) -> Counters:
    if isinstance(broker, brokers.PrivateRabbitMQ):
        at, *others = map(int, re.findall(r"-?\d+", broker.control("eval", _TALLY)))
        return Counters(at / 1e3, *others)
    with contextlib.closing(redis.Redis.from_url(broker.url)) as client:
        stats: dict[str, Any] = client.info("stats")
        commands: dict[str, Any] = client.info("commandstats")
    published = sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("publish", "lpush"))
    return Counters(time.monotonic(), published, stats["total_net_input_bytes"], stats["total_net_output_bytes"])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.traffic", description="Messages and bytes on the broker")
    parser.add_argument("--kind", choices=("redis", "rabbitmq"), default="redis", help="kind of broker")
    parser.add_argument("--rate", type=float, default=200.0, help="tasks per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="per measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
