"""Effect of a failed gossip broker on the tasks: throughput and warm shutdown, with and without the bootstep.

`python -m benchmarks.broker_faults [--tasks 6000] [--seconds 12] [--fault refused|frozen|alarm]`

Two workers with one process each run at the same time, one without the bootstep, each with its own queue full of no-op
tasks on the broker of REDIS_URL, so that a slow machine slows both. The broker of `gossip_broker_url` is private. Once
the workers are ready it is killed, stopped by SIGSTOP (Redis and RabbitMQ), or blocked by RabbitMQ's memory alarm.
"""

import argparse
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.workload import WITHOUT, add_broker, fill, paused, project_on, remaining, resume
from tests.support import brokers
from tests.support.workers import Worker

FAULTS = {"none": ["redis"], "refused": ["redis", "rabbitmq"], "frozen": ["redis", "rabbitmq"], "alarm": ["rabbitmq"]}
WORKER = ("--without-mingle", "-l", "WARNING")


@dataclass(frozen=True)
class Comparison:
    """Values of the worker without the bootstep, and of the one with it."""

    rates: tuple[float, float]  #: tasks a second
    stops: tuple[float, float]  #: seconds of a warm shutdown; inf if it did not end in 30 s

    @property
    def ratio(self) -> float:
        return self.rates[1] / self.rates[0]


def main() -> None:
    options = parse()
    print(
        f"{'fault':<18}  {'without':>13}  {'with':>13}  {'ratio':>5}   {'shutdown w/o':>12}  {'with':>9}",
        flush=True,
    )
    for fault in [options.fault] if options.fault else list(FAULTS):
        for kind in FAULTS[fault]:
            seen = compare(options.broker, fault, kind, tasks=options.tasks, seconds=options.seconds)
            print(
                f"{fault + ' ' + kind:<18}  {seen.rates[0]:>6.0f} tasks/s  {seen.rates[1]:>6.0f} tasks/s  "
                f"{seen.ratio:>5.3f}   {seen.stops[0]:>10.2f} s  {seen.stops[1]:>7.2f} s",
                flush=True,
            )


def compare(url: str, fault: str, kind: str, *, tasks: int, seconds: float) -> Comparison:
    """Run both workers during a fault of a gossip broker of this kind; the tasks are on the broker of `url`."""
    with ExitStack() as stack:
        broker = stack.enter_context(brokers.running(brokers.private(kind)))
        projects = [stack.enter_context(project_on(url, gossip_broker_url=broker.url)) for _ in range(2)]
        workers = [
            stack.enter_context(project.worker(*WORKER, *flags, concurrency=1))
            for project, flags in zip(projects, (WITHOUT, ()), strict=True)
        ]
        stack.callback(strike(broker, fault))
        for project in projects:
            paused(project)
            fill(project, tasks)
        for project in projects:
            resume(project)
        left = [remaining(project) for project in projects]
        time.sleep(seconds)
        done = [before - remaining(project) for before, project in zip(left, projects, strict=True)]
        rates = [count / seconds for count in done]
        stops = [seconds_to_stop(worker) for worker in workers]
    return Comparison((rates[0], rates[1]), (stops[0], stops[1]))


def strike(broker: brokers.PrivateBroker, fault: str) -> Callable[[], None]:
    """Cause the fault; return a function that ends it."""
    mend: Callable[[], None] = _leave_alone
    if fault == "refused":
        broker.kill()
    elif fault == "frozen":
        broker.freeze()
        mend = broker.thaw
    elif fault == "alarm":
        assert isinstance(broker, brokers.PrivateRabbitMQ)
        broker.control("set_vm_memory_high_watermark", "0.00001")
    time.sleep(2.0)  # until the worker's gossip has failed
    return mend


def _leave_alone() -> None:
    """Do nothing: this fault needs no repair."""


def seconds_to_stop(worker: Worker) -> float:
    """Return the seconds of a warm shutdown; inf if it did not end in 30 s, as sometimes happens with plain Celery."""
    began = time.monotonic()
    try:
        assert worker.stop(timeout=30) == 0
    except subprocess.TimeoutExpired:
        return float("inf")
    return time.monotonic() - began


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.broker_faults", description="Tasks during a fault of the gossip broker"
    )
    parser.add_argument("--tasks", type=int, default=6000, help="per worker; more than it can process in the time")
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--fault", choices=list(FAULTS))
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
