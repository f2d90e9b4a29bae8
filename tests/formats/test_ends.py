"""How a stream's end is known, and what is none."""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.stream_tap import StreamTap
from tests.exchange import DELTA, START, STOP, TEXT
from tests.formats.every import each


@each
def test_json_that_holds_no_answer_is_no_whole_one(format: Format) -> None:
    tap = StreamTap(format, None)
    tap.feed(b"{\n\n}")
    tap.read()
    assert not tap.terminal


def test_many_comments_before_a_stream() -> None:
    stream = b": a\n\n" * 1000 + b': b\ndata: {"id":"c","choices":[]}\n\n' + b": d\n\n" * 10 + b"data: [DONE]\n\n"
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert tap.feed(stream) + tap.held() == stream
    assert (tap.read().message_id, tap.terminal) == ("c", True)


EMPTY = [b'{"code":0,"message":""}', b'{"message":null}', b'{"code":0}', b'{"type":""}', b"{}", b'""']


@each
@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("ended", [b"\n\n", b"\r\n\r\n", b""])
@pytest.mark.parametrize("size", [1, 40, 1000])
def test_an_error_that_tells_nothing_is_no_end(format: Format, empty: bytes, ended: bytes, size: int) -> None:
    line = b'data: {"error":%b,"id":"c"}' % empty
    told = b'data: {"error":{"code":5},"id":"c"}'
    for last, terminal in ((line, False), (told, True)):
        stream = (line + (ended or b"\n\n")) * 2 + last + ended
        tap = StreamTap(format, None)
        sent = b"".join(tap.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        reading = tap.read()
        assert (tap.terminal, reading.error_type) == (terminal, "error" if terminal else None)
        assert sent + tap.held() == stream


@each
def test_an_error_that_is_broken_off_is_an_end(format: Format) -> None:
    tap = StreamTap(format, None)
    last = b'data: {"error":{"message":"overl\n\n'
    assert tap.feed(last) == b""
    assert (tap.terminal, tap.fault, tap.held()) == (True, None, last)


@pytest.mark.parametrize(
    ("format", "last"),
    [
        (MESSAGES, {"type": "message_stop"}),
        (MESSAGES, {"error": {"type": "overloaded_error"}}),
        (RESPONSES, {"type": "response.completed", "response": {"id": "r"}}),
        (RESPONSES, {"sequence_number": 7, "type": "response.completed", "response": {"id": "r"}}),
        (MESSAGES, {"index": None, "of": "a", "type": "message_stop"}),
        (MESSAGES, {"message": "no", "type": "error"}),
        (CHAT_COMPLETIONS, {"id": "c", "code": 5, "error": {"message": "no"}}),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 1000])
def test_an_end_in_several_lines_is_one(format: Format, last: dict, end: bytes, size: int) -> None:
    lines = [b"data: " + line for line in json.dumps(last, indent=1).encode().splitlines()]
    stream = b"data: {" + end * 2 + b'data: "type": "message_stop"}' + end * 2 + end.join([*lines, b"", b""])
    tap = StreamTap(format, None)
    sent = b"".join(tap.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert tap.terminal and len(sent) < len(stream)
    assert sent + tap.held() == stream


@pytest.mark.parametrize(
    "data",
    [
        rb'{"index":0,"delta":{"type":"message_stop"}}',
        rb'{"index":0,"parts":[0,{"type":"message_stop"}],"type":"ping"}',
        rb'{"text":"a\",\"type\":\"message_stop\"","index":0}',
        rb'{"text":"\",","index":"\"type\":\"message_stop\""}',
    ],
)
def test_a_name_within_another_member_is_no_end(data: bytes) -> None:
    tap = StreamTap(MESSAGES, None)
    stream = START + b"data: %b\n\n" % data
    assert tap.feed(stream) == stream
    assert not tap.terminal


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_no_byte_of_the_last_blank_line_goes_out_early(size: int, line_end: bytes) -> None:
    data = (START + TEXT + DELTA + STOP).replace(b"\n", line_end)
    tap = StreamTap(MESSAGES, None)
    out = b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert tap.terminal or line_end == b"\r"
    assert len(out) <= len(data) - len(line_end)
    assert out + tap.held() == data


def test_half_a_blank_line_keeps_its_place_in_a_stream_that_is_given_up() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, b"unknown")
    chunks = [b"data: x\r\n\r", b"\n", b"data: y\r\n\r"]
    assert b"".join([*map(tap.feed, chunks), tap.held()]) == b"".join(chunks)
