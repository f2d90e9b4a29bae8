"""Raw events: whole, in order, and the same whatever the line end."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coderai import sse

WIRE = st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"data: x", b"a", b": c"]), max_size=30).map(b"".join)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_end_at_a_blank_line(end: bytes) -> None:
    data = b"event: a\ndata: 1\n\ndata: 2\n\ndata: 3".replace(b"\n", end)
    events, rest = sse.split(data)
    assert [sse.payload(event) for event in events] == [b"1", b"2"]
    assert rest == b"data: 3"
    assert b"".join(events) + rest == data


@given(WIRE)
def test_nothing_is_lost_and_both_agree_where_the_last_event_ends(data: bytes) -> None:
    events, rest = sse.split(data)
    assert b"".join(events) + rest == data
    assert len(data) - len(rest) == sse.last_boundary(data)
    if events:
        assert sse.first_boundary(data) == len(events[0])


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"data\n\n", b""),
        (b": a comment\n\n", None),
        (b"event: ping\n\n", None),
        (b"\xef\xbb\xbfdata: a\n\n", b"a"),
    ],
)
def test_payload(event: bytes, data: bytes | None) -> None:
    assert sse.payload(event) == data


LINES = st.sampled_from(
    [
        *(b"\n", b"\n", b"data: x\n", b"data: y\n\n", b"event: e\ndata: z\n\n", b"event: e\n", b"data:w\n", b"data\n"),
        *(b": c\n", b"xdata: v\n\n", b"\xef\xbb\xbf", b"data: u", b"\r", b"\r\n"),
    ]
)


@given(st.lists(LINES, max_size=12).map(b"".join))
@example(b"\xef\xbb\xbfdata: x\ndata: y\n\n")
@example(b"data: w\n\n\xef\xbb\xbfdata: x\ndata: y\n\n")
def test_the_data_of_many_events_is_that_of_each(data: bytes) -> None:
    events, rest = sse.split(data)
    each = [found for event in (*events, rest) if (found := sse.payload(event)) is not None]
    assert sse.payloads(data) == each


def test_a_large_event_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        data = b"data: " + b"x\r" * size
        began = time.perf_counter()
        sse.split(data)
        sse.last_boundary(data)
        sse.payload(data)
        sse.payloads(data)
        return time.perf_counter() - began

    assert seconds(800_000) < 40 * max(seconds(80_000), 0.001)
