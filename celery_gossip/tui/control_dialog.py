"""ActionMenu and CommandDialog: choose a command for a row, type its values, confirm it, and follow its outcome.

Nothing is sent before the dialog has listed what it touches and the user has pressed `y`. Sending runs on a thread.
"""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from celery_gossip.control.command import Command
from celery_gossip.errors import GossipError
from celery_gossip.tui.action import Action, InvalidCommand, for_workers
from celery_gossip.tui.control_lines import preview_lines, result_lines
from celery_gossip.tui.control_session import ControlSession, Sending
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line, fit, wrap
from celery_gossip.tui.widgets import DetailPane, StaticLines

__all__ = ["ActionMenu", "CommandDialog"]

_WIDTH = 96  #: cells of the screen that a dialog covers
_FRAME = 4  #: cells of the border and the padding
_ACT_WIDTH = 14  #: cells of a command's name in the menu
_PERIOD = 0.2  #: seconds between two looks at a command that was sent


def menu_lines(actions: Sequence[Action], session: ControlSession, width: int) -> list[Line]:
    """Return the actions by subject; those without permission say which one they need."""
    lines: list[Line] = []
    subject = ""
    for action in actions:
        if action.subject != subject:
            subject = action.subject
            lines += [(), *((Cell(line, "title"),) for line in wrap(subject, width))]
        may = session.may(action.permission)
        effect = action.effect if may else f"needs --allow-control={action.permission}"
        style = "strong" if may else "dim"
        act = Cell(fit(action.act, _ACT_WIDTH), style)
        lines.append((Cell(f" {action.key} ", style), act, Cell(effect, "" if may else "dim")))
    hint = "press the letter of one; esc closes" if actions else "none for this row; esc closes"
    return [(Cell("commands", "title"), Cell(f"  {hint}", "dim")), *lines]


class ActionMenu(ModalScreen["Action | None"]):
    """Return the action whose key is pressed; None for every other key."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, actions: Sequence[Action], session: ControlSession) -> None:
        super().__init__()
        self._actions = actions
        self._session = session
        self._lines = StaticLines("menu")

    def compose(self) -> ComposeResult:
        yield self._lines

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        event.prevent_default().stop()  # or the screen below would handle it too
        action = next((action for action in self._actions if action.key == event.character), None)
        if action is None or self._session.may(action.permission):
            self.dismiss(action)

    def _show(self) -> None:
        width, height = self.app.size
        lines = menu_lines(self._actions, self._session, min(width, _WIDTH) - _FRAME)
        self._lines.styles.width, self._lines.styles.height = min(width, _WIDTH), min(height, len(lines) + 2)
        self._lines.show(lines)


class CommandDialog(ModalScreen[None]):
    """Type the values of a command, confirm it with `y`, and see its outcome; escape closes it at any time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n,q", "close", show=False),
        Binding("y", "send", show=False),
    ]

    def __init__(self, action: Action, session: ControlSession, snapshot: Snapshot) -> None:
        super().__init__()
        self._action = action
        self._session = session
        self._snapshot = snapshot
        self._command: Command | None = None  #: once its values are valid
        self._sending: Sending | None = None
        self._inputs = {field.name: Input(field.default, id=f"field-{field.name}") for field in action.fields}
        self._title, self._footer = StaticLines("dialog-title"), StaticLines("dialog-footer")
        self._body = DetailPane("dialog-body")
        self._dialog = Vertical(id="dialog")

    def compose(self) -> ComposeResult:
        with self._dialog:
            yield self._title
            for field in self._action.fields:
                label = StaticLines(f"label-{field.name}")
                label.show([(Cell(f"{field.label}: "),)])
                label.styles.width = len(field.label) + 2
                yield Horizontal(label, self._inputs[field.name], classes="field")
            yield self._body
            yield self._footer

    def on_mount(self) -> None:
        self.set_interval(_PERIOD, self._follow)
        action = self._action
        self._title.show([(Cell(f"{action.act} ", "strong"), Cell(action.subject), Cell(f"  {action.effect}", "dim"))])
        if self._inputs:
            self._show([], "enter goes on, tab goes to the next field, esc closes")
            self.set_focus(next(iter(self._inputs.values())))
        else:
            self._ask()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()  # or the dashboard would filter by it

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ask()

    def action_send(self) -> None:
        if self._command is not None and self._sending is None:
            self._sending = Sending(self._session, self._command)
            self._follow()

    def on_detail_pane_closed(self, event: DetailPane.Closed) -> None:
        """Close it by Enter, but do not answer the question with it."""
        event.stop()  # or the screen below would handle it too
        if self._sending is not None:
            self.dismiss()

    def action_close(self) -> None:
        self.dismiss()

    def _ask(self) -> None:
        """Check the values, list what the command will touch, and ask for a confirmation."""
        width = self._line_width
        try:
            command = self._action.command({name: field.value for name, field in self._inputs.items()})
            reply = self._session.preview(command)
        except (InvalidCommand, GossipError) as exc:
            self._show([(Cell(line, "bad"),) for line in wrap(str(exc), width)], "esc closes")
            return
        self.set_focus(self._body)
        for field in self._inputs.values():
            field.disabled = True
        self._command = for_workers(command, reply.asked)
        self._show(preview_lines(command, reply, self._snapshot, width), "y sends it, n or esc does not", "warn")

    def _follow(self) -> None:
        """Show the replies and the outcome of a command that was sent."""
        sending = self._sending
        if sending is None:
            return
        activity = None if sending.reply is None else self._session.activity(sending.reply.activity)
        lines = result_lines(sending.reply, sending.error, activity, self._line_width)
        self._show(lines, "esc closes; l lists all commands")

    @property
    def _line_width(self) -> int:
        return max(1, min(self.app.size.width, _WIDTH) - _FRAME)

    def _show(self, lines: Sequence[Line], footer: str, style: str = "dim") -> None:
        width, height = self.app.size
        self._dialog.styles.width = min(width, _WIDTH)
        self._dialog.styles.height = min(height, 2 + 2 + len(self._inputs) + max(1, len(lines)))
        self._body.show(lines)
        self._footer.show([(Cell(footer, style),)])
