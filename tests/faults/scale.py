"""How long and how often a fault is played: the whole of it under `make faults`, a short form in `make test`."""

import os
from dataclasses import dataclass

__all__ = ["SCALE", "Scale"]


@dataclass(frozen=True)
class Scale:
    """Counts, and seconds."""

    is_full: bool
    quiet: float = 3600.0  #: of nothing going wrong
    restarts: int = 50  #: of a broker
    rabbitmq_restarts: int = 50
    frozen: float = 30.0
    alarm: float = 60.0
    kills: int = 100  #: of clients of a Redis
    forks: int = 10_000
    deaf: float = 300.0  #: that a listener is stopped
    flood: float = 60.0
    tasks: int = 5_000  #: no-op ones, to see their throughput


SHORT = Scale(
    is_full=False,
    quiet=15.0,
    restarts=5,
    rabbitmq_restarts=2,
    frozen=6.0,
    alarm=5.0,
    kills=20,
    forks=300,
    deaf=6.0,
    flood=6.0,
    tasks=300,
)

#: GOSSIP_TEST_FAULTS=full is what `make faults` sets.
SCALE = Scale(is_full=True) if os.environ.get("GOSSIP_TEST_FAULTS") == "full" else SHORT
