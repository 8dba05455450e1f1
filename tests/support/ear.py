"""An ear in the test's process: every gossip of a project and every change of state, with the time it was heard."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from celery_gossip import Listener, signals
from tests.support.waiting import eventually
from tests.support.workers import Project

STATES = ("online", "stalled", "draining", "offline", "lost")


class Ear:
    """A context manager: a Listener on the project, and what it heard, `(monotonic seconds, gossip or state)`."""

    def __init__(self, project: Project) -> None:
        self.app = project.app()
        self.heard: deque[tuple[float, Any]] = deque(maxlen=2000)
        self.states: deque[tuple[float, str]] = deque(maxlen=2000)
        self.listener = Listener(self.app)
        self._receivers = {getattr(signals, f"worker_{state}"): self._taker_of(state) for state in STATES}
        self._receivers[signals.gossip_received] = lambda sender, gossip: self.heard.append((time.monotonic(), gossip))

    def __enter__(self) -> "Ear":
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, sender=self.app, weak=False)
        self.listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        for signal, receiver in self._receivers.items():
            signal.disconnect(receiver, sender=self.app)
        self.app.close()

    def since(self, moment: float) -> list[Any]:
        """The gossips heard after this monotonic moment, in order."""
        return [gossip for at, gossip in list(self.heard) if at > moment]

    def wait(self, moment: float, timeout: float, condition: Callable[[Any], bool] = lambda gossip: True) -> float:
        """Seconds after `moment` at which the first such gossip was heard."""

        def is_heard() -> float:
            times = [at for at, gossip in list(self.heard) if at > moment and condition(gossip)]
            assert times, f"nothing such was heard within {timeout} s; the latest: {self._latest()}"
            return times[0] - moment

        return eventually(is_heard, timeout, every=0.02)

    def wait_for_state(self, state: str, timeout: float) -> float:
        """When a worker first entered this state, monotonic seconds."""

        def is_entered() -> float:
            times = [at for at, entered in list(self.states) if entered == state]
            assert times, f"no worker was {state} within {timeout} s, but {[entered for _, entered in self.states]}"
            return times[0]

        return eventually(is_entered, timeout, every=0.02)

    def _latest(self) -> Any:
        return self.heard[-1][1] if self.heard else None

    def _taker_of(self, state: str) -> Callable[..., None]:
        return lambda sender, worker: self.states.append((time.monotonic(), state))
