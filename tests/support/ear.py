"""An ear in the test's process: all that a listener tells of a project, with the time at which it was told."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from celery_gossip import Listener, signals
from celery_gossip.cluster.view import STATES, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from tests.support.waiting import eventually
from tests.support.workers import Project


@dataclass(frozen=True)
class Entry:
    """A worker entered a state, at monotonic seconds."""

    at: float
    state: str
    worker: WorkerView

    @property
    def hostname(self) -> str:
        return self.worker.gossip.hostname


@dataclass(frozen=True)
class Told:
    """A finding was raised or cleared, at monotonic seconds."""

    at: float
    is_raised: bool
    finding: Finding


class Ear:
    """A context manager: a Listener on the project, and what it heard.

    `heard` is `(monotonic seconds, gossip)`, `entries` every change of state, `told` every finding that came or went.
    """

    def __init__(self, project: Project) -> None:
        self.app = project.app()
        self.heard: deque[tuple[float, Any]] = deque(maxlen=10_000)
        self.entries: deque[Entry] = deque(maxlen=10_000)
        self.told: deque[Told] = deque(maxlen=10_000)
        self.listener = Listener(self.app)
        self._stack = ExitStack()

    def __enter__(self) -> "Ear":
        for state in STATES:
            self._connect(getattr(signals, f"worker_{state}"), self._taker_of(state))
        self._connect(signals.gossip_received, self._take_gossip)
        self._connect(signals.finding_raised, lambda sender, finding: self._take_finding(finding, is_raised=True))
        self._connect(signals.finding_cleared, lambda sender, finding: self._take_finding(finding, is_raised=False))
        self.listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self._stack.close()
        self.app.close()

    @property
    def states(self) -> list[tuple[float, str]]:
        """`(monotonic seconds, state)` of every change, whose ever."""
        return [(entry.at, entry.state) for entry in list(self.entries)]

    @property
    def kinds(self) -> list[str]:
        """Of the findings just now, the critical first."""
        return [finding.kind for finding in self.listener.findings]

    def states_of(self, hostname: str) -> list[str]:
        return [entry.state for entry in list(self.entries) if entry.hostname == hostname]

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

    def wait_for_state(self, state: str, timeout: float, hostname: str = "", after: float = 0.0) -> float:
        """When a worker, or this one, first entered this state after that moment, monotonic seconds."""

        def is_entered() -> float:
            entries = [entry for entry in list(self.entries) if hostname in ("", entry.hostname) and entry.at > after]
            times = [entry.at for entry in entries if entry.state == state]
            assert times, f"{hostname or 'no worker'} was not {state} in {timeout} s: {[one.state for one in entries]}"
            return times[0]

        return eventually(is_entered, timeout, every=0.02)

    def wait_for_finding(self, kind: str, timeout: float) -> Finding:
        """The first finding of this kind that holds, once its signal was sent, too: that comes a moment later."""

        def is_raised() -> Finding:
            found = [finding for finding in self.listener.findings if finding.kind == kind]
            assert found, f"no {kind} in {timeout} s, but {self.kinds}"
            assert any(told.is_raised and told.finding.kind == kind for told in list(self.told)), f"no signal of {kind}"
            return found[0]

        return eventually(is_raised, timeout)

    def wait_for_cure(self, kind: str, timeout: float) -> None:
        """Until no finding of this kind holds, and the signal of that was sent, too."""

        def is_cleared() -> None:
            assert kind not in self.kinds, f"still {kind} after {timeout} s: {self.listener.findings}"
            told = [one.is_raised for one in list(self.told) if one.finding.kind == kind]
            assert told[-1:] != [True], f"no signal that {kind} is cured"

        eventually(is_cleared, timeout)

    def _latest(self) -> Any:
        return self.heard[-1][1] if self.heard else None

    def _connect(self, signal: Any, receiver: Callable[..., None]) -> None:
        context: AbstractContextManager[None] = signal.connected_to(receiver, sender=self.app)
        self._stack.enter_context(context)

    def _taker_of(self, state: str) -> Callable[..., None]:
        return lambda sender, worker: self.entries.append(Entry(time.monotonic(), state, worker))

    def _take_gossip(self, sender: Any, gossip: Any) -> None:
        self.heard.append((time.monotonic(), gossip))

    def _take_finding(self, finding: Finding, *, is_raised: bool) -> None:
        self.told.append(Told(time.monotonic(), is_raised, finding))
