"""What a broken gossip broker costs the tasks: throughput and warm shutdown, with and without the step.

`python -m benchmarks.broker_faults [--tasks 5000] [--pairs 3] [--pool prefork] [--fault refused|frozen|alarm]`

The tasks' broker is that of REDIS_URL; the broker of `gossip_broker_url` is private and broken once the worker is
ready: killed, frozen by SIGSTOP (Redis and RabbitMQ), or blocked by RabbitMQ's memory alarm. Ratios are taken pair by
pair, in turned order.
"""

import argparse
import os
import statistics
import time

from benchmarks.workload import WITHOUT, WORKER, in_turn, run_tasks
from tests.support import brokers
from tests.support.workers import Project

FAULTS = {
    "refused": ["redis", "rabbitmq"],
    "frozen": ["redis", "rabbitmq"],
    "alarm": ["rabbitmq"],
}


def main() -> None:
    options = parse()
    print(
        f"{'fault':<18}  {'without':>14}  {'with':>14}  {'ratio':>6}   {'stop without':>12}  {'stop with':>9}",
        flush=True,
    )
    for fault in [options.fault] if options.fault else list(FAULTS):
        for kind in FAULTS[fault]:
            compare(options, fault, kind)


def compare(options: argparse.Namespace, fault: str, kind: str) -> None:
    """Print the medians of all pairs of one fault."""
    rates: dict[tuple[str, ...], list[float]] = {WITHOUT: [], (): []}
    stops: dict[tuple[str, ...], list[float]] = {WITHOUT: [], (): []}
    for pair in range(options.pairs):
        for flags in in_turn(pair):
            rate, stop = measure(options, fault, kind, flags)
            rates[flags].append(rate)
            stops[flags].append(stop)
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates[()], rates[WITHOUT], strict=True))
    rate_of = {flags: statistics.median(values) for flags, values in rates.items()}
    stop_of = {flags: statistics.median(values) for flags, values in stops.items()}
    print(
        f"{fault + ' ' + kind:<18}  {rate_of[WITHOUT]:>7.0f} tasks/s  {rate_of[()]:>7.0f} tasks/s  {ratio:>6.3f}   "
        f"{stop_of[WITHOUT]:>10.2f} s  {stop_of[()]:>7.2f} s",
        flush=True,
    )


def measure(options: argparse.Namespace, fault: str, kind: str, flags: tuple[str, ...]) -> tuple[float, float]:
    """Tasks per second under the fault, and the seconds of the warm shutdown."""
    with brokers.running(brokers.private(kind)) as broker:
        project = Project(options.broker, gossip_broker_url=broker.url)
        project.install = {"interval": 1.0}
        try:
            with project.worker(*WORKER, *flags, pool=options.pool) as worker:
                run_tasks(project, 500)
                strike(broker, fault)
                rate = options.tasks / run_tasks(project, options.tasks)
                began = time.monotonic()
                assert worker.stop() == 0
                return rate, time.monotonic() - began
        finally:
            if fault == "frozen":
                broker.thaw()
            project.clean()


def strike(broker: brokers.PrivateBroker, fault: str) -> None:
    if fault == "refused":
        broker.kill()
    elif fault == "frozen":
        broker.freeze()
    else:
        assert isinstance(broker, brokers.PrivateRabbitMQ)
        broker.control("set_vm_memory_high_watermark", "0.00001")
    time.sleep(2.0)  # the worker's gossip has met it


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.broker_faults", description="Tasks beside a broken gossip broker")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--fault", choices=list(FAULTS))
    parser.add_argument("--broker", default=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
