"""The layouts of a line against their goldens: human, JSON, Stackdriver; and how values are written in them."""

import datetime
import json
import re
import sys
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.logs import notation
from coderai.logs.layouts import (
    DEBUG,
    ERROR,
    INFO,
    WARN,
    Entry,
    Site,
    human_line,
    json_line,
    stackdriver_line,
)
from coderai.logs.notation import quote

GOLDENS = Path(__file__).parents[1] / "goldens" / "logs"
SITE = Site("coderai/server.py", 42, "coderai.server.serve")
YEAR_2000 = 949_723_444 * 10**9
YEAR_1 = -62_135_596_800 * 10**9
NOW = 1_776_882_413_123_999_999


def entry(at=NOW, level=INFO, names=(), message="", **fields) -> Entry:
    return Entry(at, level, names, message, SITE, fields)


HUMAN = [
    entry(YEAR_2000, DEBUG, message=" wowowow\tizi \n"),
    entry(YEAR_1, WARN, ("some", "cat"), "meow", breath="stinky"),
    entry(YEAR_1, WARN, **{"space in my key": "value in my value"}),
    entry(YEAR_1, WARN, **{"funky^%&^&^key": "value", "funky^%&^&^key2": "@#\t \t \n"}),
    entry(YEAR_1, WARN, somefile="blah bla\x01h blah"),
    entry(YEAR_1, WARN, nan=None),
    entry(
        YEAR_2000, DEBUG, (), "mixed types", count=100, name="test", enabled=True, ratio=0.95, data=b"bytes",
        nil_val=None,
    ),
    entry(
        YEAR_2000, WARN, (), "edge cases", zero_int=0, neg_int=-999, max_int64=2**63 - 1, min_int64=-(2**63),
        max_uint64=2**64 - 1, zero_float=0.0, neg_float=-123.456,
    ),
    entry(YEAR_1, INFO, (), "msg", field="line1\nline2"),
    entry(YEAR_1, INFO, (), "line1\nline2"),
    entry(
        NOW, ERROR, ("coderai", "aibridge"), "odd\x1b[2Jvalues", empty="", error=OSError("no route\nto host"),
        took=datetime.timedelta(hours=1), metadata={"a": "<b>\x85"}, list=["a", "b"],
        **{"evil\n": "\u202e", "back": '\\ "', "big": 1e6},
    ),
]  # fmt: skip


def test_human_lines_agree_with_the_goldens() -> None:
    assert b"".join(map(human_line, HUMAN)).decode() == (GOLDENS / "human.txt").read_text()


def test_json_lines_agree_with_the_goldens() -> None:
    lines = [
        entry(NOW - NOW % 10**9, ERROR, ("named",), "line1\n\nline2", wowow="me\nyou"),
        entry(NOW // 10**6 * 10**6, INFO, message="plain"),
        entry(NOW, WARN, ("a", "b"), "<&>", html="<b>\u2028&\u2029", esc="\x1b\x85\u202e", nul="\0", none=None),
        entry(NOW, DEBUG, message="odd", big=2**70, lone="\ud800", nested={1: [b"\xff", Path("/x")]}),
    ]
    assert b"".join(map(json_line, lines)) == (GOLDENS / "json.txt").read_bytes()


def test_stackdriver_lines_agree_with_the_goldens() -> None:
    lines = [
        entry(NOW, ERROR, ("meow",), "line1\n\nline2", wowow="me\nyou"),
        entry(NOW, WARN, message="a field cannot pass for the entry's own", severity="DEBUG", message_="kept"),
    ]
    assert b"".join(map(stackdriver_line, lines)) == (GOLDENS / "stackdriver.txt").read_bytes()


@given(st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_no_value_breaks_a_line_or_reaches_the_terminal_as_a_command(message, key, value, metadata) -> None:
    written = entry(names=("a",), message=message, **{key: value, "metadata": metadata})
    for layout in (human_line, json_line, stackdriver_line):
        line = layout(written).decode()
        assert line.endswith("\n") and len(line.splitlines()) == 1
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", line)
    fields = json.loads(json_line(written))["fields"]
    assert fields == {key: value, "metadata": metadata} or key == "metadata"


@given(
    st.text(st.sampled_from('ab \t\n"\\\x00\x7f\x85\xa0\xadé€я\u200d\u202e\u3000\ud800\ue000👩\U000e0001\U0010ffff'))
)
def test_quoting_a_text_is_quoting_its_characters(text: str) -> None:
    assert quote(text) == f'"{"".join(quote(char)[1:-1] for char in text)}"'
    for char in text:
        shown = quote(char)[1:-1]
        assert shown == char if char.isprintable() and char not in '"\\' else shown.startswith("\\") and shown.isascii()


def test_no_character_of_a_run_that_prints_is_looked_at_by_itself() -> None:
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    text = "Съешь ещё этих мягких французских булок\n" * 1000
    sys.setprofile(count)
    try:
        quoted = quote(text)
    finally:
        sys.setprofile(None)
    assert quoted == f'"{text}"'.replace("\n", r"\n")
    assert calls < 1100  # one for each line feed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (100.0, "100"), (999999.0, "999999"),
        (1234567.0, "1.234567e+06"),
        (1e20, "1e+20"), (0.0001, "0.0001"), (0.00001, "1e-05"), (1.5e-7, "1.5e-07"), (-2.25, "-2.25"),
        (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_go_does(value: float, text: str) -> None:
    assert notation.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (5, "5s"), (1.5, "1.5s"), (90, "1m30s"), (60.000001, "1m0.000001s"),
        (5_184_000, "1440h0m0s"),
        (0.25, "250ms"), (0.0015, "1.5ms"), (0.000007, "7µs"), (-3600, "-1h0m0s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert notation.duration(datetime.timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (120_000_000, "1970-01-01T00:00:00.12Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_times_lose_their_trailing_zeros(nanoseconds: int, text: str) -> None:
    assert notation.rfc3339(nanoseconds) == text
