"""Effects of keys, mouse and time on the dashboard."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from celery_gossip.tui.app import TopApp
from tests.tui.scenes import NOW, a_view, a_worker, failures, findings, isolated, many_workers, three_workers
from tests.tui.stage import FakeSource, Stage, play
from tests.unit.build import a_check

Scenario = Callable[[Stage], Awaitable[None]]


def on_stage(
    source: Callable[[], FakeSource], size: tuple[int, int] = (80, 24)
) -> Callable[[Scenario], Callable[[], None]]:
    """Run the test on a dashboard of this source."""

    def turned(scenario: Scenario) -> Callable[[], None]:
        def test() -> None:
            play(scenario, source(), size)

        test.__name__ = scenario.__name__
        return test

    return turned


def three() -> FakeSource:
    return FakeSource(three_workers(), findings())


def many() -> FakeSource:
    return FakeSource(many_workers())


def hostnames(stage: Stage) -> list[str]:
    return [row[2:].split()[0] for row in stage.pane("WORKERS")]


@on_stage(three)
async def test_tab_and_digits_move_between_the_panes(stage: Stage) -> None:
    assert "shop1@vm" in stage.cursor
    await stage.press("1")
    assert "critical" in stage.cursor
    await stage.press("tab")
    assert "default" in stage.cursor
    await stage.press("tab")
    assert "shop1@vm" in stage.cursor


@on_stage(three)
async def test_arrows_move_the_cursor_and_stop_at_the_ends(stage: Stage) -> None:
    await stage.press("down", "down", "down", "down")
    assert "shop3@vm" in stage.cursor
    await stage.press("up", "k")
    assert "shop1@vm" in stage.cursor


@on_stage(many)
async def test_the_cursor_is_on_the_screen_wherever_it_goes(stage: Stage) -> None:
    for key, hostname in (("end", "w0999@vm"), ("pageup", "w0"), ("home", "w0000@vm"), ("pagedown", "w00")):
        await stage.press(key)
        assert hostname in stage.cursor


@on_stage(three)
async def test_s_sorts_by_the_next_column_and_capital_s_reverses_the_order(stage: Stage) -> None:
    await stage.press("s")
    assert "STATE▲" in stage.text
    assert hostnames(stage) == ["shop3@vm", "shop2@vm", "shop1@vm"]
    await stage.press("S")
    assert "STATE▼" in stage.text
    assert hostnames(stage) == ["shop1@vm", "shop2@vm", "shop3@vm"]


@on_stage(three)
async def test_a_click_on_a_title_sorts_by_it_and_another_reverses_the_order(stage: Stage) -> None:
    title = next(line for line in stage.lines if "3 WORKERS" in line)
    for mark in ("PROCESSED▼", "PROCESSED▲"):
        await stage.pilot.click("#workers", offset=(title.index("PROCESSED") + 2, 0))
        await stage.pilot.pause()
        assert mark in stage.text


@on_stage(three)
async def test_a_click_on_a_row_goes_there_and_another_opens_its_detail(stage: Stage) -> None:
    await stage.pilot.click("#workers", offset=(5, 2))
    await stage.pilot.pause()
    assert "shop2@vm" in stage.cursor
    await stage.pilot.click("#workers", offset=(5, 2))
    await stage.pilot.pause()
    assert "Worker shop2@vm" in stage.text


@on_stage(three)
async def test_the_cursor_stays_on_its_row_when_sorting_moves_that(stage: Stage) -> None:
    await stage.press("down", "s")
    assert "shop2@vm" in stage.cursor
    await stage.press("up", "s", "s")
    assert "shop3@vm" in stage.cursor


@on_stage(many)
async def test_the_lines_around_the_cursor_stay_where_they_are_when_rows_come_before_them(stage: Stage) -> None:
    await stage.press("pagedown", "pagedown", "up")
    cursor = stage.cursor
    at = stage.lines.index(cursor)
    others = stage.source.shown.workers
    stage.source.shown = replace(stage.source.shown, workers=(*(a_worker(f"a{n}@vm") for n in range(5)), *others))
    await stage.tick(0)
    assert stage.lines.index(stage.cursor) == at
    assert stage.cursor.split()[1] == cursor.split()[1]


@on_stage(three)
async def test_a_cursor_that_was_never_moved_stays_at_the_top(stage: Stage) -> None:
    stage.source.shown = a_view(a_worker("a@vm"), *stage.source.shown.workers)
    await stage.tick()
    assert "a@vm" in stage.cursor


@on_stage(three)
async def test_the_cursor_stays_in_its_place_when_its_row_is_gone(stage: Stage) -> None:
    await stage.press("down")
    one, _, three = stage.source.shown.workers
    stage.source.shown = a_view(one, three)
    await stage.tick()
    assert "shop3@vm" in stage.cursor


@on_stage(many)
async def test_a_filter_is_typed_kept_with_enter_and_dropped_with_escape(stage: Stage) -> None:
    await stage.press("slash", *"w0123")
    assert hostnames(stage) == ["w0123@vm"]
    await stage.press("enter")
    assert "3 WORKERS 1/1,000" in stage.text and "filter: w0123" in stage.text
    await stage.press("escape")
    assert "3 WORKERS 1,000" in stage.text


@on_stage(many)
async def test_letters_typed_into_the_filter_do_nothing_else(stage: Stage) -> None:
    await stage.press("slash", *"qsz?1 ")
    assert stage.app.is_running
    assert stage.lines[-1] == "/ qsz?1"
    assert "no row matches the filter" in stage.text


@on_stage(three)
async def test_the_detail_of_a_worker_shows_its_queues_ids_and_the_replaced_instance(stage: Stage) -> None:
    await stage.press("end", "enter")
    assert "Worker shop3@vm" in stage.text
    assert "instance fedcba9876543210 ended with 1 running tasks" in stage.text
    assert "id-left" in stage.text
    await stage.press("escape")
    assert "3 WORKERS" in stage.text and "shop3@vm" in stage.cursor


@on_stage(three)
async def test_the_age_of_an_id_counts_from_its_first_sight(stage: Stage) -> None:
    await stage.press("enter")
    await stage.tick(65)
    assert "1m05s id-default" in stage.text


@on_stage(three)
async def test_a_detail_is_updated_and_says_if_its_subject_is_gone(stage: Stage) -> None:
    await stage.press("2", "down", "enter")
    assert "Queue mail" in stage.text
    stage.source.shown = a_view(a_worker("shop1@vm"))
    await stage.tick()
    assert "mail is no longer in the view" in stage.text


@on_stage(three, size=(200, 50))
async def test_on_a_wide_screen_the_detail_stands_beside_and_follows_the_cursor(stage: Stage) -> None:
    await stage.press("enter", "tab", "3", "down")
    assert "3 WORKERS" in stage.text and "Worker shop2@vm" in stage.text
    await stage.press("enter")
    assert "· shop2@vm" in stage.text


@on_stage(many, size=(200, 20))
async def test_a_detail_is_read_on_where_it_was_and_another_from_its_top(stage: Stage) -> None:
    await stage.press("2", "enter", "end")
    assert "Queue queue_00" not in stage.text
    await stage.tick()
    assert "more tasks" in stage.text
    await stage.press("2", "down")
    assert "Queue queue_01" in stage.text


@on_stage(three)
async def test_space_pauses_the_display_while_data_collection_continues(stage: Stage) -> None:
    await stage.press("space")
    stage.source.shown = a_view(a_worker("other@vm"))
    await stage.tick(3)
    assert "PAUSED 3s" in stage.text and "shop1@vm" in stage.text and "other@vm" not in stage.text
    assert "last report 0s ago" in stage.text
    await stage.press("space")
    assert " PAUSED 3s" not in stage.text and "other@vm" in stage.text


def with_failures() -> FakeSource:
    return FakeSource(three_workers(), findings(), failures=failures())


@on_stage(with_failures)
async def test_f_selects_the_failures_and_enter_opens_a_group(stage: Stage) -> None:
    await stage.press("f")
    assert "shop.pay" in stage.cursor and "CardDeclined" in stage.cursor
    await stage.press("enter")
    assert "Failures of shop.pay" in stage.text and "card 0 has no funds" in stage.text
    assert "shop.cards:charge:41" in stage.text
    await stage.press("escape")
    assert "6 FAILURES 2" in stage.text


@on_stage(three)
async def test_tasks_are_a_pane_and_enter_opens_one(stage: Stage) -> None:
    await stage.press("5")
    assert "shop.send_mail" in stage.cursor and "12m34s" in stage.cursor
    await stage.press("enter")
    assert "Task id-mail" in stage.text and "limit    15m" in stage.text


@on_stage(with_failures)
async def test_an_id_in_the_filter_is_found_in_every_pane(stage: Stage) -> None:
    await stage.press("slash", *"id-mail")
    assert "5 TASKS 1/7" in stage.text and "6 FAILURES 0/2" in stage.text
    await stage.press("enter")
    assert "id-mail" in stage.cursor
    await stage.press("escape", "3", "slash", *"id-145")
    assert "6 FAILURES 1/2" in stage.text
    await stage.press("enter")
    assert "Search for id-145" in stage.text and "card 2 has no funds" in stage.text
    await stage.press("escape")
    assert "shop.pay" in stage.cursor


@on_stage(three)
async def test_an_id_without_a_row_opens_what_is_known_of_it(stage: Stage) -> None:
    await stage.press("slash", *"id-left", "enter")
    assert "Search for id-left" in stage.text and "queue         mail" in stage.text
    await stage.press("escape", "escape", "slash", *"unknown-id", "enter")
    assert "No task with this id is in a report." in stage.text
    await stage.press("escape", "escape")
    assert "5 TASKS" in stage.text and "filter" not in stage.lines[-1].partition("/ filter")[0]


@on_stage(three)
async def test_a_column_key_sorts_and_the_same_key_again_reverses_the_order(stage: Stage) -> None:
    await stage.press("O")
    assert "PROCESSED▼" in stage.text and hostnames(stage)[0] == "shop1@vm"
    await stage.press("O")
    assert "PROCESSED▲" in stage.text and hostnames(stage)[-1] == "shop1@vm"
    await stage.press("Z")
    assert "PROCESSED▲" in stage.text


@on_stage(three)
async def test_each_pane_keeps_its_own_order(stage: Stage) -> None:
    await stage.press("O", "2", "B", "5", "T", "3")
    assert "PROCESSED▼" in stage.text and "BACKLOG▼" in stage.text and "5 TASKS 3/7▲" in stage.text


@on_stage(three)
async def test_an_order_by_a_hidden_column_is_named_below(stage: Stage) -> None:
    assert "POOL" not in stage.text and "sorted by" not in stage.text
    await stage.press("P")
    assert "sorted by pool" in stage.lines[-1]


@on_stage(three)
async def test_help_scrolls_and_any_other_key_closes_it(stage: Stage) -> None:
    for key in ("question_mark", "escape", "q", "space", "enter"):
        await stage.press("question_mark")
        assert "any other key closes this" in stage.text and "O=processed" in stage.text
        await stage.press("end")
        assert "no report for 10 of its own intervals" in stage.text
        await stage.press(key)
        assert "any other key closes this" not in stage.text and "O=processed" not in stage.text
        assert " PAUSED " not in stage.lines[0]
    assert stage.app.is_running


@on_stage(three)
async def test_z_shows_one_pane_alone_and_back(stage: Stage) -> None:
    await stage.press("2", "z")
    assert "2 QUEUES" in stage.text and "3 WORKERS" not in stage.text
    await stage.press("z")
    assert "3 WORKERS" in stage.text


@on_stage(three)
async def test_a_resized_screen_is_filled_at_once(stage: Stage) -> None:
    assert "POOL" not in stage.text
    await stage.resize(200, 50)
    assert "POOL" in stage.text and stage.lines[-1].startswith("? help")
    await stage.resize(80, 24)
    assert "POOL" not in stage.text and stage.lines[23].startswith("? help")


@on_stage(many, size=(200, 60))
async def test_long_tables_use_every_line_of_the_terminal_and_the_pane_with_the_focus_most(stage: Stage) -> None:
    for width, height in ((200, 60), (80, 24), (60, 12)):
        await stage.resize(width, height)
        for number, title in (("3", "WORKERS"), ("5", "TASKS")):
            await stage.press(number)
            assert len(stage.lines) == height and all(stage.lines)
            assert len(stage.pane(title)) >= (height - 10) // 2


@on_stage(three)
async def test_isolation_comes_and_goes_on_the_screen(stage: Stage) -> None:
    stage.source.shown = isolated()
    await stage.tick(0)
    assert "ISOLATED for 30s" in stage.text
    stage.source.shown = three_workers()
    await stage.tick(0)
    assert "ISOLATED" not in stage.text


def test_q_and_ctrl_c_quit_with_a_good_exit_code() -> None:
    left: list[TopApp] = []

    async def quit_by(stage: Stage, key: str) -> None:
        await stage.press(key)
        assert not stage.app.is_running
        left.append(stage.app)

    play(lambda stage: quit_by(stage, "q"), three())
    play(lambda stage: quit_by(stage, "ctrl+c"), three())
    assert [app.return_code for app in left] == [0, 0]


@on_stage(many)
async def test_only_the_lines_that_changed_are_drawn_again(stage: Stage) -> None:
    from celery_gossip.tui.table import Table

    table = stage.app.query_one("#workers", Table)
    drawn: list[int] = []
    render_line = table.render_line
    table.render_line = lambda y: drawn.append(y) or render_line(y)  # type: ignore[method-assign,func-returns-value]
    await stage.tick(0)
    assert drawn == []
    first, _, *others = stage.source.shown.workers
    changed = a_worker("w0001@vm", concurrency=20, active=20, checks=(a_check("queue_00"),), heard_at=NOW - 0.4)
    stage.source.shown = replace(stage.source.shown, workers=(first, changed, *others))
    await stage.tick(0)
    assert drawn == [2]
