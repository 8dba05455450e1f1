"""Breaks something on purpose inside a test's worker: GOSSIP_TEST_SABOTAGE is `<what>:<exception class>`.

Imported by the project under GOSSIP_TEST_IMPORT. `what` is receivers, probe, check, publish or encode.
"""

import builtins
import os
from typing import Any

from celery_gossip import exchange, probe, sender, signals

WHAT, _, NAME = os.environ["GOSSIP_TEST_SABOTAGE"].partition(":")


def blow_up(*_: Any, **__: Any) -> Any:
    raise getattr(builtins, NAME)("sabotage")


if WHAT == "receivers":
    for name in signals.__all__:
        if name != "emit":
            getattr(signals, name).connect(blow_up)
elif WHAT == "probe":
    probe.Probe.read = blow_up  # type: ignore[method-assign]
elif WHAT == "check":
    probe.Probe._check = blow_up  # type: ignore[method-assign]
elif WHAT == "publish":
    exchange.Publisher.publish = blow_up  # type: ignore[method-assign]
elif WHAT == "encode":
    sender.fitted = blow_up
