"""TopApp: the Textual application of `celery gossip top`. Shows one snapshot of the source per second.

Runs on Textual's event loop, on the main thread.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.widgets import Input

from celery_gossip.tui.action import Action, actions_for, bulk_actions
from celery_gossip.tui.column import SORT_LETTERS
from celery_gossip.tui.control_dialog import ActionMenu, CommandDialog
from celery_gossip.tui.control_lines import log_lines
from celery_gossip.tui.control_session import ControlSession
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.help import help_lines
from celery_gossip.tui.layout import pane_heights
from celery_gossip.tui.pager import PagerScreen
from celery_gossip.tui.pane import PANES
from celery_gossip.tui.search import Search
from celery_gossip.tui.sighting import is_sighted
from celery_gossip.tui.snapshot import Snapshot, SnapshotRecorder, Source
from celery_gossip.tui.summary import KeyHints, ListenerAlert, header_lines, key_hints_line, listener_alert
from celery_gossip.tui.table import Table
from celery_gossip.tui.text import Cell
from celery_gossip.tui.widgets import DetailPane, StaticLines

__all__ = ["TopApp"]

REFRESH = 1.0  #: seconds between two snapshots
_FIRST_PANE = "workers"  #: has the focus at the start
_WIDE = 140  #: cells; from this width on the detail is shown beside the tables


class TopApp(App[None]):
    """Show the panes of a source, one above the other, and the detail of one row."""

    CSS_PATH = "style.tcss"
    TITLE = "celery gossip top"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = f"#{_FIRST_PANE}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("question_mark", "help", show=False),
        *(Binding(str(number), f"pane({number})", show=False) for number in range(1, 1 + len(PANES))),
        Binding("f", f"pane({len(PANES)})", show=False),
        *(Binding(letter, f"sort_by('{letter}')", show=False) for letter in sorted(SORT_LETTERS)),
        Binding("s", "sort", show=False),
        Binding("S", "reverse", show=False),
        Binding("slash", "search", show=False),
        Binding("escape", "close", show=False),
        Binding("space", "pause", show=False),
        Binding("z", "zoom", show=False),
        Binding("c", "control", show=False),
        Binding("l", "log", show=False),
    ]

    def __init__(
        self, source: Source, session: ControlSession | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(ansi_color=True)
        self._session = session
        self._recorder = SnapshotRecorder(source, clock)
        self._clock = clock
        self._snapshot = self._recorder.record()
        self._search = Search()
        self._paused_at: float | None = None
        self._subject: tuple[str, str] | None = None  #: what the detail shows: id of a pane, key of a row
        self._is_zoomed = False
        self._header, self._alert, self._keys = StaticLines("header"), StaticLines("alert"), StaticLines("keys")
        self._detail = DetailPane()
        self._search_prompt = StaticLines("search-prompt")
        self._input = Input(id="search", placeholder="id, name, worker, queue or state; enter applies, esc clears")
        self._search_line = Horizontal(self._search_prompt, self._input, id="search-line")
        self._tables = tuple(Table(pane) for pane in PANES)
        self._panes = Vertical(*self._tables, id="panes")
        self._current = next(table for table in self._tables if table.id == _FIRST_PANE)

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._alert
        with Horizontal(id="body"):
            yield self._panes
            yield self._detail
        yield self._keys
        yield self._search_line

    def on_mount(self) -> None:
        self.set_interval(REFRESH, self.tick)
        self._update_layout()

    def on_resize(self, event: events.Resize) -> None:
        self._update_layout(event.size)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Table):
            self._current = event.widget
            self._update_layout()

    def tick(self) -> None:
        """Record the next snapshot. While paused it is not shown, but its samples are kept for the sparklines."""
        snapshot = self._recorder.record()
        if self._paused_at is None:
            self._snapshot = snapshot
        self._update_layout()

    def _update_layout(self, size: Size | None = None) -> None:
        """Show the current snapshot in all panes, and size the panes."""
        width, height = size or self.size
        snapshot, search = self._snapshot, self._search
        alert = listener_alert(snapshot, width)
        self._show_header(alert, width)
        self._show_tables(snapshot, search)
        self._arrange_panes(width, height - 3 - (len(alert.lines) if alert else 0))
        self._show_detail()

    def _show_header(self, alert: ListenerAlert | None, width: int) -> None:
        paused_for = None if self._paused_at is None else self._clock() - self._paused_at
        self._header.show(header_lines(self._snapshot, width, paused_for))
        self._alert.display = alert is not None
        if alert is not None:
            self._alert.styles.height = len(alert.lines)
            self._alert.show([(Cell(f" {line}"),) for line in alert.lines], style=alert.style)
        order = self._current.order
        escape = "closes" if self._subject else "clears the filter" if self._search.text else ""
        sorting = "urgency" if order is None else order.title.lower()
        is_visible, has_commands = self._current.is_order_visible, self._session is not None
        hints = KeyHints(self._search.text, sorting, escape, is_visible, has_commands)
        self._keys.show([key_hints_line(width, hints)])
        self._search_prompt.show([(Cell("/", "strong"),)])

    def _show_tables(self, snapshot: Snapshot, search: Search) -> None:
        for number, table in enumerate(self._tables, start=1):
            pane = table.pane
            rows, matching = pane.rows(snapshot), pane.select(search, snapshot)
            known = max(len(rows), pane.total(snapshot))
            count = f"{known:,}" if len(matching) == known else f"{len(matching):,}/{known:,}"
            table.empty_text = "no row matches the filter" if rows else pane.empty_text(snapshot)
            table.show(matching, snapshot, f"{number} {pane.title} {count}")

    def _arrange_panes(self, width: int, height: int) -> None:
        """Set the height of each pane, and the place of the detail."""
        rows = [table.row_count if self._is_shown(table) else None for table in self._tables]
        heights = pane_heights(height, rows, self._tables.index(self._current))
        for table, lines in zip(self._tables, heights, strict=True):
            table.display = lines > 0
            table.styles.height = lines
        self._detail.display = self._subject is not None
        self._detail.set_class(width >= _WIDE, "beside")
        self._panes.display = self._subject is None or width >= _WIDE

    def _is_shown(self, table: Table) -> bool:
        return table is self._current or (not self._is_zoomed and table.pane.is_shown(self._snapshot))

    def _show_detail(self, *, is_new_subject: bool = False) -> None:
        if self._subject is not None and self._detail.line_width:
            lines = detail_lines(*self._subject, self._snapshot, self._detail.line_width)
            self._detail.show(lines, is_new_subject=is_new_subject)

    def on_table_row_selected(self, event: Table.RowSelected) -> None:
        if event.table.key is not None:
            self._open_detail(event.table.pane.id, event.table.key)

    def on_table_row_highlighted(self) -> None:
        """If the detail is shown beside the tables, show the row under the cursor in it."""
        if self._subject is not None and self.focused is self._current and self._current.key is not None:
            self._subject = (self._current.pane.id, self._current.key)
            self._show_detail(is_new_subject=True)
        self._update_layout()

    def on_detail_pane_resized(self) -> None:
        self._show_detail()

    def on_detail_pane_closed(self) -> None:
        self.action_close()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._search = Search(event.value)
        self._update_layout()

    def on_input_submitted(self) -> None:
        """Keep the filter. Select a pane with a row that matches; of an id without one, show what is known of it."""
        matching = [table for table in self._tables if table.row_count]
        self._current = self._current if self._current in matching else next(iter(matching), self._current)
        self._close_input()
        self._update_layout()
        text, has_task = self._search.text, any(table.id == "tasks" for table in matching)
        if not has_task and text and (not matching or is_sighted(text, self._snapshot)):
            self._open_detail("search", text)

    def action_help(self) -> None:
        permissions = self._session.permissions if self._session else ()
        self.push_screen(PagerScreen(partial(help_lines, self._current.sort_keys, permissions)))

    def action_control(self) -> None:
        """Let the user choose a command for the subject of the detail, or else for the row under the cursor."""
        session, subject = self._session, self._selected
        if session is None or subject is None:
            return
        rows = self._current.rows if self._search.text else ()
        actions = (*actions_for(*subject, self._snapshot), *bulk_actions(self._current.pane.id, rows))

        def open_dialog(action: Action | None) -> None:
            if action is not None:
                self.push_screen(CommandDialog(action, session, self._snapshot))

        self.push_screen(ActionMenu(actions, session), open_dialog)

    def action_log(self) -> None:
        session = self._session
        if session is not None:
            self.push_screen(PagerScreen(lambda width: log_lines(session.activities(), width)))

    def action_pane(self, number: int) -> None:
        if not self._tables[number - 1].pane.is_shown(self._snapshot):
            return
        if self._subject is not None and self.size.width < _WIDE:
            self._close_detail()
        self._current = self._tables[number - 1]
        self._update_layout()
        self._refocus()

    def action_sort(self) -> None:
        self._current.sort_by_next_column()

    def action_sort_by(self, letter: str) -> None:
        self._current.sort_by_key(letter)

    def action_reverse(self) -> None:
        self._current.reverse_order()

    def action_search(self) -> None:
        self._search_line.display, self._keys.display = True, False
        self.screen.set_focus(self._input)

    def action_close(self) -> None:
        """Close the detail if it is open and the filter is not being edited, else clear the filter."""
        if self._subject is not None and self.focused is not self._input:
            self._close_detail()
        else:
            self._input.value = ""
            self._close_input()

    def action_pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._clock()
            self._update_layout()
        else:
            self._paused_at = None
            self.tick()

    def action_zoom(self) -> None:
        self._is_zoomed = not self._is_zoomed
        self._update_layout()

    @property
    def _selected(self) -> tuple[str, str] | None:
        """Id of a pane and key of a row: those of the detail if it has the focus, else of the cursor."""
        if self._subject is not None and self.focused is self._detail:
            return self._subject
        key = self._current.key
        return None if key is None else (self._current.pane.id, key)

    def _open_detail(self, kind: str, key: str) -> None:
        self._subject = (kind, key)
        self._update_layout()
        self._show_detail(is_new_subject=True)
        self.screen.set_focus(self._detail)

    def _close_detail(self) -> None:
        self._subject = None
        self._update_layout()
        self._refocus()

    def _refocus(self) -> None:
        """Focus the current table at once, and not when Textual is idle: keys already typed are meant for it."""
        self.screen.set_focus(self._current)

    def _close_input(self) -> None:
        self._search_line.display, self._keys.display = False, True
        self._refocus()
