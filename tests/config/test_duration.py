"""Durations: Go's syntax plus days and weeks, read back from Go's own printing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coderai.config.duration import LONGEST, NANOSECONDS, Duration

ANY_PACE = settings(deadline=None)  # a shared machine's pauses are no failures


def printed(nanoseconds: int) -> str:
    """As Go prints it: `1440h0m0s`, `1.5s`, `250ms`, `0s`. https://pkg.go.dev/time#Duration.String"""
    for unit in ("ms", "µs", "ns"):
        if NANOSECONDS[unit] <= nanoseconds < 1000 * NANOSECONDS[unit]:
            return f"{fraction(nanoseconds, unit)}{unit}"
    minutes, rest = divmod(nanoseconds, NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{fraction(rest, 's')}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def fraction(nanoseconds: int, unit: str) -> str:
    """`nanoseconds` in `unit`, without trailing zeros."""
    whole, rest = divmod(nanoseconds, NANOSECONDS[unit])
    digits = len(str(NANOSECONDS[unit])) - 1
    return f"{whole}.{rest:0{digits}}".rstrip("0") if rest else str(whole)


@pytest.mark.parametrize(
    ("text", "seconds", "go_form"),
    [
        ("0", 0, "0s"),
        ("0s", 0, "0s"),
        ("90s", 90, "1m30s"),
        ("1h30m", 5400, "1h30m0s"),
        ("60d", 60 * 86400, "1440h0m0s"),
        ("7d", 7 * 86400, "168h0m0s"),
        ("1w2d", 9 * 86400, "216h0m0s"),
        ("1.5h", 5400, "1h30m0s"),
        (".5s", 0.5, "500ms"),
        ("1.s", 1, "1s"),
        ("1500ms", 1.5, "1.5s"),
        ("3µs", 3e-6, "3µs"),  # micro sign
        ("3μs", 3e-6, "3µs"),
        ("3us", 3e-6, "3µs"),
        ("7ns", 7e-9, "7ns"),
        ("1h1.25s", 3601.25, "1h0m1.25s"),
        ("90m", 5400, "1h30m0s"),
    ],
)
def test_it_reads_and_prints(text, seconds, go_form):
    duration = Duration(text)
    assert duration.seconds == seconds
    assert str(duration) == text
    assert printed(duration.nanoseconds) == go_form
    assert Duration(go_form) == duration


@pytest.mark.parametrize("text", ["", "5", "60 d", "d", "1x", "1h30", "1e3s", "60D", "1.2.3s", ".s", "٣s", "+1s"])
def test_it_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"unit is missing|not a duration"):
        Duration(text)


def test_it_refuses_negative_and_endless_ones():
    with pytest.raises(ValueError, match="negative"):
        Duration("-1h")
    with pytest.raises(ValueError, match="292 years"):
        Duration("20000w")
    with pytest.raises(ValueError, match="too long"):
        Duration("1" * 5000 + "s")


@ANY_PACE
@given(st.lists(st.tuples(st.integers(0, 99999), st.sampled_from(sorted(NANOSECONDS))), min_size=1, max_size=5))
def test_terms_add_up(terms):
    total = sum(number * NANOSECONDS[unit] for number, unit in terms)
    if total <= LONGEST:
        assert Duration("".join(f"{number}{unit}" for number, unit in terms)).nanoseconds == total


@ANY_PACE
@given(st.integers(0, LONGEST))
def test_gos_own_printing_is_read_back_exactly(nanoseconds):
    assert Duration(printed(nanoseconds)).nanoseconds == nanoseconds


@ANY_PACE
@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_a_value_error(text):
    try:
        nanoseconds = Duration(text).nanoseconds
    except ValueError:
        return
    assert 0 <= nanoseconds <= LONGEST
