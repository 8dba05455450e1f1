"""Top: the dashboard itself. It takes a frame a second and hands it to the panes; runs on Textual's event loop."""

import time
from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.widgets import Input

from celery_gossip.tui.board import Board, Detail
from celery_gossip.tui.column import Order
from celery_gossip.tui.detail import detail_lines, finding_key
from celery_gossip.tui.frame import Frame, Recorder, Source
from celery_gossip.tui.manual import Manual
from celery_gossip.tui.row import FINDINGS, QUEUES, WORKERS
from celery_gossip.tui.search import Search
from celery_gossip.tui.share import share
from celery_gossip.tui.summary import Banner, banner, head_lines, keys_line
from celery_gossip.tui.table import Table
from celery_gossip.tui.text import Cell
from celery_gossip.view import QueueView, WorkerView

__all__ = ["Top"]

REFRESH = 1.0  #: seconds between two frames
_WIDE = 140  #: cells from which on the detail stands beside the tables


class Top(App[None]):
    """Findings, queues and workers of a source, live."""

    CSS_PATH = "style.tcss"
    TITLE = "celery gossip top"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "#workers"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark", "help", show=False),
        *(Binding(str(number), f"pane({number})", show=False) for number in (1, 2, 3)),
        Binding("s", "sort", show=False),
        Binding("S", "reverse", show=False),
        Binding("slash", "search", show=False),
        Binding("escape", "leave", show=False),
        Binding("space", "pause", show=False),
        Binding("z", "zoom", show=False),
    ]

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(ansi_color=True)
        self._recorder = Recorder(source, clock)
        self._clock = clock
        self._frame = self._recorder.take()
        self._search = Search()
        self._paused_at: float | None = None
        self._subject: tuple[str, str] | None = None  #: of the detail: the pane and the key of its row
        self._is_zoomed = False
        self._head, self._banner, self._keys = Board("head"), Board("banner"), Board("keys")
        self._detail = Detail()
        self._slash = Board("slash")
        self._input = Input(id="search", placeholder="hostname, queue or state; enter keeps, esc clears")
        self._search_line = Horizontal(self._slash, self._input, id="search-line")
        by_name = Order("QUEUES", is_descending=False), Order("WORKERS", is_descending=False)
        self._finding_table = Table("findings", FINDINGS, finding_key, None)
        self._queue_table = Table("queues", QUEUES, queue_key, by_name[0])
        self._worker_table = Table("workers", WORKERS, worker_key, by_name[1])
        self._tables = (self._finding_table, self._queue_table, self._worker_table)
        self._panes = Vertical(*self._tables, id="panes")
        self._current = self._worker_table

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._banner
        with Horizontal(id="body"):
            yield self._panes
            yield self._detail
        yield self._keys
        yield self._search_line

    def on_mount(self) -> None:
        self.set_interval(REFRESH, self.tick)
        self._lay_out()

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out(event.size)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Table):
            self._current = event.widget
            self._lay_out()

    def tick(self) -> None:
        """Take the next frame. While paused it only goes into the past that the sparklines show afterwards."""
        frame = self._recorder.take()
        if self._paused_at is None:
            self._frame = frame
        self._lay_out()

    def _lay_out(self, size: Size | None = None) -> None:
        """Put the frame into the panes, and the panes onto the screen."""
        width, height = size or self.size
        frame, search = self._frame, self._search
        alarm = banner(frame, width)
        self._show_head(alarm, width)
        self._show_tables(frame, search)
        self._arrange(width, height - 3 - (len(alarm.lines) if alarm else 0))
        self._show_detail()

    def _show_head(self, alarm: Banner | None, width: int) -> None:
        paused_for = None if self._paused_at is None else self._clock() - self._paused_at
        self._head.show(head_lines(self._frame, width, paused_for))
        self._banner.display = alarm is not None
        if alarm is not None:
            self._banner.styles.height = len(alarm.lines)
            self._banner.show([(Cell(f" {line}"),) for line in alarm.lines], over=alarm.style)
        order = self._current.order
        escape = "closes" if self._subject else "drops the filter" if self._search.text else ""
        sorting = "urgency" if order is None else order.title.lower()
        self._keys.show([keys_line(width, self._search.text, sorting, escape)])
        self._slash.show([(Cell("/", "strong"),)])

    def _show_tables(self, frame: Frame, search: Search) -> None:
        nothing = "nothing fits the filter"
        calm = "nothing is wrong" if frame.view.workers and not frame.error else "none"
        view = frame.view
        for name, table, shown, known, empty in (
            ("1 FINDINGS", self._finding_table, search.findings(frame.findings), frame.findings, calm),
            ("2 QUEUES", self._queue_table, search.queues(view), view.queues, "none"),
            ("3 WORKERS", self._worker_table, search.workers(view), view.workers, "none"),
        ):
            figure = f"{len(shown):,}" if len(shown) == len(known) else f"{len(shown):,}/{len(known):,}"
            table.empty = empty if not known else nothing
            table.show(shown, frame, f"{name} {figure}")

    def _arrange(self, width: int, height: int) -> None:
        """How high each pane is, and where the detail stands."""
        heights = share(height, self._finding_table.rows, self._queue_table.rows)
        for table, lines in zip(self._tables, heights, strict=True):
            table.display = table is self._current or not self._is_zoomed
            table.styles.height = height if self._is_zoomed else lines
        self._detail.display = self._subject is not None
        self._detail.set_class(width >= _WIDE, "beside")
        self._panes.display = self._subject is None or width >= _WIDE

    def _show_detail(self, *, is_other: bool = False) -> None:
        if self._subject is not None and self._detail.room:
            lines = detail_lines(*self._subject, self._frame, self._detail.room)
            self._detail.show(lines, is_other=is_other)

    def on_table_chosen(self, event: Table.Chosen) -> None:
        self._open(event.table)
        self.screen.set_focus(self._detail)

    def on_table_moved(self) -> None:
        """Beside the tables the detail follows the cursor."""
        if self._subject is not None and self.focused is self._current:
            self._open(self._current)
        self._lay_out()

    def on_detail_sized(self) -> None:
        self._show_detail()

    def on_detail_closed(self) -> None:
        self.action_leave()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._search = Search(event.value)
        self._lay_out()

    def on_input_submitted(self) -> None:
        self._close_input()

    def action_help(self) -> None:
        self.push_screen(Manual())

    def action_pane(self, number: int) -> None:
        if self._subject is not None and self.size.width < _WIDE:
            self._close_detail()
        self._current = self._tables[number - 1]
        self._lay_out()
        self._refocus()

    def action_sort(self) -> None:
        self._current.turn_order()

    def action_reverse(self) -> None:
        self._current.reverse_order()

    def action_search(self) -> None:
        self._search_line.display, self._keys.display = True, False
        self.screen.set_focus(self._input)

    def action_leave(self) -> None:
        """Out of what is open, the innermost first."""
        if self._subject is not None and self.focused is not self._input:
            self._close_detail()
        else:
            self._input.value = ""
            self._close_input()

    def action_pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._clock()
            self._lay_out()
        else:
            self._paused_at = None
            self.tick()

    def action_zoom(self) -> None:
        self._is_zoomed = not self._is_zoomed
        self._lay_out()

    def _open(self, table: Table) -> None:
        if table.key is not None and table.id is not None:
            self._subject = (table.id, table.key)
            self._lay_out()
            self._show_detail(is_other=True)

    def _close_detail(self) -> None:
        self._subject = None
        self._lay_out()
        self._refocus()

    def _refocus(self) -> None:
        """At once, not when Textual is idle: keys that were typed ahead are meant for it."""
        self.screen.set_focus(self._current)

    def _close_input(self) -> None:
        self._search_line.display, self._keys.display = False, True
        self._refocus()


def queue_key(queue: QueueView) -> str:
    return queue.queue


def worker_key(worker: WorkerView) -> str:
    return worker.gossip.hostname
