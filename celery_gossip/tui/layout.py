"""Heights of the panes. Pure."""

from collections.abc import Sequence

__all__ = ["pane_heights"]

_MIN_ROWS = 3  #: of the current pane, before another pane has a line


def pane_heights(height: int, rows: Sequence[int | None], current: int) -> tuple[int, ...]:
    """Return the lines of each pane, its title included; together `height`, if it is positive.

    `rows` are the rows of each pane, None for a pane that is not shown, `current` is the index of that with the focus.
    First the current pane has a few rows, then each pane its title, as far as there is space. Of the other lines the
    current pane has half, if it has so many rows; the others have equal shares. The last pane has what no pane needs.
    """
    shown = [at for at, number in enumerate(rows) if number is not None]
    needed = [0 if number is None else 1 + max(1, number) for number in rows]
    heights = [0] * len(rows)
    heights[current] = max(0, min(height, needed[current], 1 + _MIN_ROWS))
    spare = max(0, height) - heights[current]
    others = [at for at in shown if at != current][:spare]
    for at in others:
        heights[at] = 1
    spare -= len(others)
    growth = min(needed[current] - heights[current], spare // 2)
    heights[current] += growth
    spare = _share(_share(spare - growth, others, heights, needed), [current], heights, needed)
    heights[max([current, *others])] += spare
    return tuple(heights)


def _share(spare: int, panes: Sequence[int], heights: list[int], needed: Sequence[int]) -> int:
    """Give lines to the panes that need more, in equal shares. Return the lines that none needs."""
    while spare and (growing := [at for at in panes if heights[at] < needed[at]]):
        for at in growing[:spare]:
            heights[at] += 1
        spare -= min(spare, len(growing))
    return spare
