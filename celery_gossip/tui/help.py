"""Help: the keys of the dashboard, the meaning of the state symbols, and which commands are allowed. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from celery_gossip.cluster.view import STATES
from celery_gossip.control.command import PERMISSIONS
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.text import Cell, Line, fit, wrap

__all__ = ["help_lines"]

_KEY_WIDTH = 24  #: cells
_KEYS = (
    ("tab, 1 to 6, f", "select a pane: findings, queues, workers, schedule, tasks, failures"),
    ("arrows, j k, page, home", "move; the cursor follows its row until home"),
    ("capital letters", "sort by the column in which it is underlined; again: reverse"),
    ("s S, click a title", "sort by the next column; reverse the order"),
    ("/", "filter by words: task id, name, worker, queue, state"),
    ("enter", "details of the row: queues, tasks, instances, tracebacks"),
    ("z", "show this pane alone, or all panes"),
    ("space", "pause the display; data collection continues"),
    ("escape", "close the details, then clear the filter"),
    ("q, ctrl-c", "quit"),
)
_ENABLE = f"--allow-control, or --allow-control=NAMES: {', '.join(PERMISSIONS)} or all"
_MEANINGS = {
    "online": "reports, and its event loop ticks",
    "stalled": "reports, but its event loop does not tick",
    "draining": "shuts down; its tasks still run",
    "suspect": "no report for 3.5 of its own intervals",
    "conflict": "two live workers have this hostname",
    "offline": "has shut down",
    "lost": "no report for 10 of its own intervals",
}


def help_lines(sort_keys: Mapping[str, str], permissions: Collection[str], width: int) -> list[Line]:
    """Return all lines; `sort_keys` are those of the current pane, `permissions` those of the user."""
    sorting = ", ".join(f"{letter}={title.lower()}" for letter, title in sort_keys.items())
    states: list[Line] = []
    for state in STATES:
        text, style = state_cell(state)
        states.append((Cell(fit(text, _KEY_WIDTH), style), Cell(_MEANINGS[state])))
    title = (Cell("celery gossip top", "title"), Cell("  arrows scroll, any other key closes this", "dim"))
    facts = (*_KEYS, *_control_keys(permissions), ("sort this pane by", sorting))
    keys = [line for key, effect in facts for line in _fact(key, effect, width)]
    return [title, (), *keys, (), *states]


def _control_keys(permissions: Collection[str]) -> Sequence[tuple[str, str]]:
    if not permissions:
        return (("commands", f"are off; to enable them, start with {_ENABLE}"),)
    allowed = ", ".join(name for name in PERMISSIONS if name in permissions)
    return (
        ("c", f"commands for the row, or for all rows that the filter selects; allowed are {allowed}"),
        ("l", "the commands that were sent, and what became of them"),
    )


def _fact(key: str, effect: str, width: int) -> Iterator[Line]:
    for at, line in enumerate(wrap(effect, max(1, width - _KEY_WIDTH))):
        yield Cell(fit("" if at else key, _KEY_WIDTH), "strong"), Cell(line)
