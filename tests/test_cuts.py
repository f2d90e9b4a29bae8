"""Wherever a stream is cut near its end: what a client can take for the end waits until the tap has said that it is."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.stream_tap import StreamTap
from coderai.wire.encodings import decode
from tests.codings import CODINGS

# What some clients look for in whatever has come.
NAMES: dict[Format, bytes] = {CHAT_COMPLETIONS: b"[DONE]", MESSAGES: b"message_stop", RESPONSES: b"response.completed"}
# The bytes at the end within which each stream is cut, once and twice.
LAST = 8
CHAT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
ERRORS: dict[Format, bytes] = {
    CHAT_COMPLETIONS: b'data: {"id":"%b","error":{"message":"overloaded"}}\n\n' % (b"c" * 500),
    MESSAGES: b'event: error\ndata: {"type":"error","error":{"message":"overloaded"}}\n\n',
    RESPONSES: b'data: {"type":"error","message":"overloaded"}\n\n',
}
STREAMS: dict[Format, tuple[bytes, bytes]] = {
    CHAT_COMPLETIONS: (CHAT, b"data: [DONE]\n\n"),
    MESSAGES: (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
    RESPONSES: (
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n',
        b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","output":[]}}\n\n',
    ),
}


def pieces(first: bytes, last: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    yield first
    at = 0
    for cut in (*cuts, len(last)):
        yield last[at:cut]
        at = cut


def lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def cut_near_the_end(last: bytes) -> Iterator[Sequence[int]]:
    yield ()
    yield from combinations_with_replacement(range(len(last) - LAST, len(last) + 1), 2)


@pytest.mark.parametrize("left_out", [0, 1], ids=["whole", "no blank line"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("format", STREAMS, ids=lambda format: format.path)
def test_no_cut_shows_the_end(format: Format, coding: bytes | None, end: bytes, left_out: int) -> None:
    first, last = (each.replace(b"\n", end) for each in STREAMS[format])
    last = last[: len(last) - left_out * len(end)]
    unseen = lines(first) + lines(last).rstrip(b"\n")  # some do not wait for the blank line
    for cuts in cut_near_the_end(last):
        tap = StreamTap(format, coding)
        encode = CODINGS[coding]()
        coded = [encode(piece) for piece in pieces(first, last, cuts)]
        sent = tap.feed(coded[0])
        assert sent == coded[0]
        for chunk in coded[1:]:
            sent += tap.feed(chunk)
            assert unseen.startswith(lines(decode(coding, sent))), (cuts, sent)
        assert tap.read().message_id
        assert tap.terminal, cuts
        assert sent + tap.held() == b"".join(coded), cuts


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("format", STREAMS, ids=lambda format: format.path)
def test_cut_at_every_byte_the_end_does_not_show_its_name(format: Format, coding: bytes | None, end: bytes) -> None:
    first, last = (each.replace(b"\n", end) for each in STREAMS[format])
    for size in (1, 2, 7, 20):
        tap = StreamTap(format, coding)
        encode = CODINGS[coding]()
        coded = [encode(first), *(encode(last[at : at + size]) for at in range(0, len(last), size))]
        sent = b"".join(map(tap.feed, coded))
        assert NAMES[format] not in decode(coding, sent)
        assert decode(coding, sent).startswith(first)
        assert tap.read().message_id
        assert tap.terminal
        assert sent + tap.held() == b"".join(coded)


def test_a_name_that_another_event_holds_does_not_wait_for_more_than_its_end() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None)
    text = CHAT.replace(b'"a"', b'"[DONE]"')
    assert tap.feed(CHAT + text[:-5]) == CHAT
    assert tap.feed(text[-5:-2]) == b""
    assert tap.feed(b"\n\n" + CHAT[:9]) == text + CHAT[:9]
    assert tap.feed(CHAT[9:]) == CHAT[9:]
    assert tap.feed(text[:-5]) + tap.feed(text[-5:] + b"data: [DONE]\n\n") == text


def test_an_end_in_pieces_waits_where_a_stream_begins_as_json_too() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert [tap.feed(piece) for piece in (b"{}\n\n", b"data: [DONE]", b"\n", b"\n")] == [b"", b"{}\n\n", b"", b""]
    assert tap.held() == b"data: [DONE]\n\n"


@pytest.mark.parametrize("begun", [[], [CHAT], [CHAT, CHAT]], ids=len)
def test_whole_events_behind_the_end_are_held_with_it(begun: Sequence[bytes]) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None)
    last, bye = STREAMS[CHAT_COMPLETIONS][1], b": bye\n\n"
    assert [tap.feed(event) for event in (*begun, CHAT + last, bye)] == [*begun, CHAT, b""]
    assert tap.held() == last + bye


def test_usage_that_comes_alone_is_withheld() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold=True)
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    assert [tap.feed(event) for event in (CHAT, usage, CHAT)] == [CHAT, b"", CHAT]
    assert tap.read().findings


def test_where_two_events_meet_only_what_has_come_of_the_second_waits() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold=True)
    assert [tap.feed(piece) for piece in (CHAT[:-1], CHAT[-1:] + CHAT[:9], CHAT[9:])] == [b"", CHAT, CHAT]


@pytest.mark.parametrize("format", STREAMS, ids=lambda format: format.path)
def test_cut_at_every_byte_an_error_does_not_show_what_it_says(format: Format) -> None:
    tap = StreamTap(format, None)
    first, last = STREAMS[format][0], ERRORS[format]
    sent = tap.feed(first) + b"".join(tap.feed(last[at : at + 1]) for at in range(len(last)))
    assert tap.terminal
    assert b"overloaded" not in sent
    assert sent + tap.held() == first + last


@pytest.mark.parametrize("format", STREAMS, ids=lambda format: format.path)
def test_a_text_about_an_error_does_not_wait_for_its_end(format: Format) -> None:
    tap = StreamTap(format, None)
    text = CHAT.replace(b'"a"', b'"an error"')
    assert tap.feed(STREAMS[format][0] + text[:-5]) == STREAMS[format][0] + text[:-5]
    assert tap.feed(text[-5:]) == text[-5:]
