"""Raises on purpose within the hooks of a test's worker, one hook after the other.

GOSSIP_TEST_SABOTAGE is JSON of `[[hook, class], …]` (see tests.support.hooks): while a pair is the first, the next call
of that hook raises that class, and the pair is done with. GOSSIP_TEST_SABOTAGED names a file for what was raised, a
line `hook|class` each. Imported by the project under GOSSIP_TEST_IMPORT. Hooks that nothing would call are provoked.
"""

import builtins
import functools
import importlib
import json
import logging
import os
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

from celery.signals import worker_ready
from kombu.exceptions import OperationalError

from celery_gossip import log, signals
from celery_gossip.transport import body_delivery
from celery_gossip.transport.publisher import Publisher
from celery_gossip.worker import sent_at as stamp
from celery_gossip.worker.bootstep import GossipStep
from celery_gossip.worker.probe import Probe
from tests.support.hooks import HOOKS
from tests.support.project import app, nothing

PID = os.getpid()
WHEN = {hook.name: hook.when for hook in HOOKS}
STALL = 0.05  #: seconds

pairs: deque[tuple[str, str]] = deque((hook, name) for hook, name in json.loads(os.environ["GOSSIP_TEST_SABOTAGE"]))
record = os.open(os.environ["GOSSIP_TEST_SABOTAGED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
is_ready = False


def is_turn_of(*hooks: str) -> bool:
    if not pairs or os.getpid() != PID:
        return False
    hook = pairs[0][0]
    return hook in hooks and (is_ready or WHEN[hook] != "always")


def blow_up(hook: str) -> None:
    if not is_turn_of(hook):
        return
    pair = pairs.popleft()
    if pair[0] != hook:  # another thread was faster
        pairs.appendleft(pair)
        return
    os.write(record, f"{hook}|{pair[1]}\n".encode())
    raise an_exception(pair[1])


def an_exception(name: str) -> Exception:
    if name == "UnicodeDecodeError":
        return UnicodeDecodeError("utf-8", b"\xff", 0, 1, "sabotage")
    kind = OperationalError if name == "OperationalError" else getattr(builtins, name)
    made: Exception = kind("sabotage")
    return made


def fused(hook: str, original: Any) -> Any:
    @functools.wraps(original)
    def maybe(*args: Any, **kwargs: Any) -> Any:
        blow_up(hook)
        return original(*args, **kwargs)

    return maybe


def sabotage(hook: str, place: str) -> None:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(f"celery_gossip.{module}")
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, fused(hook, getattr(owner, name)))


class FusedTimer:
    """Celery's timer, as the step alone sees it."""

    def __init__(self, timer: Any) -> None:
        self._timer = timer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timer, name)

    def call_after(self, *args: Any) -> Any:
        blow_up("round, the timer")
        return self._timer.call_after(*args)


class FusedHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        blow_up("a logging handler")


def provoke(owner: Any, name: str, provocation: Any) -> None:
    """Let something happen before each call, which the hook is there for."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def provoked(*args: Any, **kwargs: Any) -> Any:
        provocation(*args)
        return original(*args, **kwargs)

    setattr(owner, name, provoked)


def fail_the_probe(*_: Any) -> None:
    if is_turn_of("a receiver of gossip_exception", "a logging handler"):
        raise LookupError("provoked")


def fail_the_publish(*_: Any) -> None:
    if is_turn_of("sender, what a failure means", "sender, the end of a connection"):
        raise OSError("provoked")


def write_every_line(logger: log.LimitedLogger, *_: Any) -> None:
    if is_turn_of("a logging handler"):
        logger._written_at.clear()


def stall(*_: Any, **__: Any) -> None:
    if is_turn_of("sender, a probe of its own"):
        time.sleep(STALL)


@worker_ready.connect
def begin(**_: Any) -> None:
    global is_ready  # noqa: PLW0603
    is_ready = True


@app.task
def pass_on() -> None:
    """Send a task from within the worker."""
    nothing.delay()


build = GossipStep._build


def built(self: Any, c: Any) -> None:
    build(self, c)
    self._components.ticks._timer = FusedTimer(self._components.ticks._timer)


def receiver_of(name: str) -> Any:
    return lambda sender, **_: blow_up(f"a receiver of {name}")


for one in HOOKS:
    if one.place:
        sabotage(one.name, one.place)
for signal_name in ("gossip_init", "gossip_start", "gossip_stop", "gossip_exception"):
    getattr(signals, signal_name).connect(receiver_of(signal_name), weak=False)
signals.gossip_start.connect(stall)
provoke(Probe, "read", fail_the_probe)
provoke(Publisher, "publish", fail_the_publish)
provoke(log.LimitedLogger, "_log", write_every_line)
GossipStep._build = built  # type: ignore[method-assign]
log.logger.addHandler(FusedHandler())
stamp.time = SimpleNamespace(time=fused("task sent (before_task_publish)", time.time))  # type: ignore[assignment]
body_delivery.backoff = lambda *_: 0.01  # or the classes would take minutes
