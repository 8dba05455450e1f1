"""What tests.support.stall has written, as a test reads it: quantiles, and the difference that a span of time made."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Lateness", "parsed", "quantile", "read"]


@dataclass(frozen=True)
class Lateness:
    """Of a worker's event loop since it was ready, or within a span."""

    late: Counter[int]  #: `{upper bound in µs: turns of the timer}`
    held: Counter[int]  #: likewise, for how long the step held the loop

    def __sub__(self, earlier: "Lateness") -> "Lateness":
        return Lateness(self.late - earlier.late, self.held - earlier.held)


def read(path: Path) -> Lateness:
    """The latest of this file; a second old at most while the loop turns."""
    said = parsed(path)
    return Lateness(*(Counter({int(bound): count for bound, count in said[name].items()}) for name in ("late", "held")))


def parsed(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.read_text())
    return said


def quantile(histogram: Counter[int], share: float) -> float:
    """Milliseconds that this share of the turns kept within; 0.0 where there were none."""
    wanted = share * histogram.total()
    for bound in sorted(histogram):
        wanted -= histogram[bound]
        if wanted <= 0:
            return bound / 1000
    return 0.0
