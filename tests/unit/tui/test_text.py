"""Text on the screen: escaped, of the stated width, and with formatted numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from celery_gossip.tui.text import escape_text, fit, format_age, format_count, truncate, wrap


@given(st.text())
def test_escaped_text_is_printable_and_keeps_its_width(text: str) -> None:
    assert escape_text(text).isprintable()
    assert "\ufe0f" not in escape_text(text)


@given(st.text(), st.integers(0, 40), st.booleans())
def test_fitted_text_takes_exactly_its_cells(text: str, width: int, align_right: bool) -> None:
    assert cell_len(fit(escape_text(text), width, align_right=align_right)) == width


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    text = " ".join(text.split())  # spaces that cannot be seen are escaped
    assert escape_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_only_characters_that_could_harm_the_screen_are_escaped(text: str, expected: str) -> None:
    assert escape_text(text) == expected


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
    assert truncate(text, width) == kept


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        *[(-1.0, "0s"), (0.9, "0s"), (3.0, "3s"), (59.9, "59s"), (60, "1m00s"), (130, "2m10s"), (3599, "59m59s")],
        *[(3600, "1h00m"), (86_399, "23h59m"), (86_400, "1d00h"), (100 * 86_400 + 7200, "100d02h")],
    ],
)
def test_an_age_has_at_most_two_units(seconds: float, expected: str) -> None:
    assert format_age(seconds) == expected


@pytest.mark.parametrize(
    ("number", "width", "expected"),
    [
        *[(0, 3, "0"), (1234567, 9, "1,234,567"), (1234567, 8, "1.2M"), (99_949, 5, "99.9k"), (99_960, 5, "100k")],
        *[(999_600, 5, "1.0M"), (2**53, 6, "9007T"), (None, 5, "?")],
    ],
)
def test_a_count_has_thousands_or_a_unit_where_those_do_not_fit(number: int | None, width: int, expected: str) -> None:
    assert format_count(number, width) == expected


@given(st.text(), st.integers(1, 40))
def test_wrapped_lines_fit(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in wrap(escape_text(text), width))


def test_lines_are_broken_between_words() -> None:
    assert wrap("one two three four", 9) == ["one two", "three", "four"]
