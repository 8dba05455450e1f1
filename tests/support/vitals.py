"""What a process takes as time passes: memory, threads, descriptors and CPU, sampled from outside by the test."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

__all__ = ["Sample", "grown", "sample", "slope"]

_LOOKS = 3  #: at a count that has changed: a file that is open for a moment is none that stays open
_MOMENT = 0.02  #: seconds between them


@dataclass(frozen=True)
class Sample:
    """Of one process, without its children."""

    at: float  #: monotonic seconds
    memory: float  #: resident, MB
    threads: int
    descriptors: int
    cpu: float  #: seconds since its start


def sample(process: psutil.Process, former: Sample | None = None) -> Sample:
    """The process now; a count that differs from the former one is looked at again."""
    for _ in range(_LOOKS):
        with process.oneshot():
            times = process.cpu_times()
            memory = process.memory_info().rss / 1e6
            taken = Sample(
                time.monotonic(), memory, process.num_threads(), process.num_fds(), float(times.user + times.system)
            )
        if former is None or (taken.threads, taken.descriptors) == (former.threads, former.descriptors):
            break
        time.sleep(_MOMENT)
    return taken


def slope(samples: Sequence[Sample]) -> float:
    """Memory, MB per hour: the line of least squares through these."""
    mean_at = sum(one.at for one in samples) / len(samples)
    mean = sum(one.memory for one in samples) / len(samples)
    spread = sum((one.at - mean_at) ** 2 for one in samples)
    return 3600 * sum((one.at - mean_at) * (one.memory - mean) for one in samples) / spread


def grown(samples: Sequence[Sample]) -> float:
    """Memory, MB, from the first of these to the last."""
    return samples[-1].memory - samples[0].memory
