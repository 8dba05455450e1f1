"""Text on the screen: harmless, as wide as it says, and figures in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from celery_gossip.tui.text import age, count, cut, fit, shown, wrap


@given(st.text())
def test_whatever_is_shown_prints_and_keeps_its_width(text: str) -> None:
    assert shown(text).isprintable()
    assert "\ufe0f" not in shown(text)


@given(st.text(), st.integers(0, 40), st.booleans())
def test_fitted_text_takes_exactly_its_cells(text: str, width: int, to_the_right: bool) -> None:
    assert cell_len(fit(shown(text), width, to_the_right=to_the_right)) == width


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("[red]", "[red]"),
        ("日本語", "日本語"),
        ("e\u0301\u0301", "e\u0301\u0301"),
        ("e\u0301\u0301\u0301", "e\u0301\u0301\\u0301"),
    ],
)
def test_what_could_hurt_a_screen_is_escaped_and_nothing_else(text: str, told: str) -> None:
    assert shown(text) == told


@pytest.mark.parametrize(
    ("text", "width", "kept"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("ab", 0, ""),
        ("ab", 1, "…"),
    ],
)
def test_what_is_too_long_ends_in_an_ellipsis(text: str, width: int, kept: str) -> None:
    assert cut(text, width) == kept


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *[(-1.0, "0s"), (0.9, "0s"), (3.0, "3s"), (59.9, "59s"), (60, "1m00s"), (130, "2m10s"), (3599, "59m59s")],
        *[(3600, "1h00m"), (86_399, "23h59m"), (86_400, "1d00h"), (100 * 86_400 + 7200, "100d02h")],
    ],
)
def test_an_age_has_at_most_two_units(seconds: float, told: str) -> None:
    assert age(seconds) == told


@pytest.mark.parametrize(
    ("number", "width", "told"),
    [
        *[(0, 3, "0"), (1234567, 9, "1,234,567"), (1234567, 8, "1.2M"), (99_949, 5, "99.9k"), (99_960, 5, "100k")],
        *[(999_600, 5, "1.0M"), (2**53, 6, "9007T"), (None, 5, "?")],
    ],
)
def test_a_count_has_thousands_or_a_unit_where_those_do_not_fit(number: int | None, width: int, told: str) -> None:
    assert count(number, width) == told


@given(st.text(), st.integers(1, 40))
def test_wrapped_lines_fit(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in wrap(shown(text), width))


def test_lines_are_broken_between_words() -> None:
    assert wrap("one two three four", 9) == ["one two", "three", "four"]
