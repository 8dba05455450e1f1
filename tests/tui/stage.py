"""A dashboard without a terminal, with a source and a clock that the test controls."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from textual.pilot import Pilot

from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.tui.app import TopApp
from celery_gossip.tui.control_session import ControlSession
from tests.tui.screen import picture, screen_text
from tests.unit.build import FakeClock


class FakeSource:
    """Stand-in for a Listener, with the view of the test."""

    def __init__(
        self,
        view: View,
        findings: tuple[Finding, ...] = (),
        error: Exception | None = None,
        throughput: Mapping[str, Throughput] | None = None,
        failures: FailureView | None = None,
    ) -> None:
        self.shown = view
        self.throughput_by_queue = throughput or {}
        self.findings = findings
        self.error = error
        self.uri = "redis://localhost:6379/0"
        self.rejected: Counter[str] = Counter()
        self.failed = failures or FailureView()

    def view(self) -> View:
        return self.shown

    def failures(self) -> FailureView:
        return self.failed

    def throughput(self) -> Mapping[str, Throughput]:
        return self.throughput_by_queue


class Stage:
    """A running dashboard."""

    def __init__(self, source: FakeSource, clock: FakeClock, app: TopApp, pilot: Pilot[None]) -> None:
        self.source = source
        self.clock = clock
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        return screen_text(self.app.export_screenshot(), *self.app.size)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def picture(self) -> str:
        return picture(self.app.export_screenshot(), *self.app.size)

    @property
    def cursor(self) -> str:
        """Line of the focused pane that has the cursor."""
        marked = [line for line in self.lines if line.startswith(">")]
        return marked[1] if len(marked) > 1 else ""

    def pane(self, title: str) -> list[str]:
        """Return the rows below this title."""
        lines = iter(self.lines)
        next(line for line in lines if title in line[:20])
        rows = []
        for line in lines:
            if not line or (line[2:3] in "123456" and line[3:4] == " "):
                break
            rows.append(line)
        return rows

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def tick(self, seconds: float = 1.0) -> None:
        """Advance the clock and record the next snapshot."""
        self.clock.advance(seconds)
        self.app.tick()
        await self.pilot.pause()

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.pilot.pause()

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait for an effect of another thread."""
        deadline = time.monotonic() + 30
        while not is_true():
            assert time.monotonic() < deadline, self.text
            await self.pilot.pause(0.05)


def play(
    scenario: Callable[[Stage], Awaitable[None]],
    source: FakeSource,
    size: tuple[int, int] = (80, 24),
    session: ControlSession | None = None,
) -> None:
    """Run the scenario on a dashboard of this source."""

    async def run() -> None:
        clock = FakeClock(source.shown.taken_at)
        app = TopApp(source, session, clock)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await scenario(Stage(source, clock, app, pilot))

    asyncio.run(run())
