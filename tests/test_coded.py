"""Coded streams: read whole however much they decode to, a turn of the loop at a time, and no chunk goes on before."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from coderai.coded import TURN
from coderai.formats import MESSAGES
from coderai.records import ToolCall
from coderai.stream_tap import StreamTap
from tests.exchange import ASK_STREAM, DELTA, START, STOP, post
from tests.exchange import MESSAGES as PATH
from tests.gateway import Gateway
from tests.provider import Provider, stream

ENCODE: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstandard.compress,
}
TOOL = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
    b'{"type":"tool_use","id":"toolu_long","name":"Write","input":{}}}\n\n'
)
# 2 MB of one word again and again, which come in some thousand bytes.
WORDS = b"again and " * 50
INPUT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"input_json_delta","partial_json":"%b"}}\n\n' % WORDS
)
WORDY = START + TOOL + INPUT * 4000 + DELTA + STOP
each_coding = pytest.mark.parametrize("coding", ENCODE)


def told(tap: StreamTap) -> str:
    (tool,) = [finding for finding in tap.read().findings if isinstance(finding, ToolCall)]
    return tool.input


@each_coding
@pytest.mark.parametrize("size", [100, 1_000_000])
def test_much_from_little_is_read_whole_and_by_and_by(coding: bytes, size: int) -> None:
    coded = ENCODE[coding](WORDY)
    tap = StreamTap(MESSAGES, coding)
    turns = 0
    sent = b""
    for at in range(0, len(coded), size):
        sent += tap.feed(coded[at : at + size])
        while tap.behind:
            assert not tap.terminal
            sent += tap.feed(b"")
            turns += 1
    assert tap.terminal
    assert size < len(coded) or turns >= len(WORDY) // (2 * TURN)
    assert told(tap) == (WORDS * 4000).decode()
    assert sent + tap.held() == coded


@each_coding
def test_chunks_that_come_before_it_has_read_on_wait_their_turn(coding: bytes) -> None:
    coded = ENCODE[coding](WORDY)
    tap = StreamTap(MESSAGES, coding)
    sent = b"".join(tap.feed(coded[at : at + 500]) for at in range(0, len(coded), 500))
    while tap.behind:
        sent += tap.feed(b"")
    assert tap.terminal
    assert told(tap) == (WORDS * 4000).decode()
    assert sent + tap.held() == coded


@each_coding
def test_what_its_client_did_not_wait_for_is_read_all_the_same(coding: bytes) -> None:
    coded = ENCODE[coding](WORDY)
    tap = StreamTap(MESSAGES, coding)
    assert tap.feed(coded) == b""
    assert tap.behind
    assert tap.long
    assert told(tap) == (WORDS * 4000).decode()
    assert tap.held() == coded


@each_coding
def test_and_no_other_stream_waits_for_that_though_it_tells_little(coding: bytes) -> None:
    tap = StreamTap(MESSAGES, coding)
    tap.feed(ENCODE[coding](START + b": ping\n\n" * TURN))
    assert tap.behind
    assert tap.long
    tap.read()
    assert not tap.long


@each_coding
def test_more_than_is_ever_read_goes_on_unread(coding: bytes) -> None:
    coded = ENCODE[coding](START + b": no end\n" * 8_000_000)
    tap = StreamTap(MESSAGES, coding)
    sent = tap.feed(coded)
    while tap.behind:
        sent += tap.feed(b"")
    assert tap.unread
    assert sent + tap.feed(b"more") + tap.held() == coded + b"more"


def test_events_go_on_at_once() -> None:
    tap = StreamTap(MESSAGES, b"gzip")
    coder = zlib.compressobj(wbits=31)
    for event in (START, TOOL, INPUT, INPUT[:-1], b"\n", INPUT[:30], INPUT[30:], DELTA):
        chunk = coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH)
        assert tap.feed(chunk) == chunk


@pytest.mark.parametrize(
    ("body", "error_type"), [(WORDY, None), (WORDY.removesuffix(STOP), "incomplete_stream")], ids=["whole", "cut"]
)
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_much_from_little_through_the_gateway(
    gateway: Gateway, provider: Provider, token: str, coding: str, body: bytes, error_type: str | None
) -> None:
    """Its end comes with it, and is not taken for that before all of it has been read."""
    coded = ENCODE[coding.encode()](body)
    known = len(gateway.records())
    headers = ("Content-Type: text/event-stream", f"Content-Encoding: {coding}")
    provider.answers(b"".join(stream(coded, headers=headers)))
    assert post(gateway, PATH, ASK_STREAM, token, Accept_Encoding=coding).body == coded
    records = gateway.records()[known:]
    (tool,) = [record for record in records if record["record_type"] == "tool_usage"]
    assert tool["input"].startswith((WORDS * 1000).decode())  # as much of it as is stored
    assert "token_usage" in [record["record_type"] for record in records]
    assert records[-1]["error_type"] == error_type


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("x-unknown", START + DELTA, "content-encoding 'x-unknown' is not known"),
        ("gzip", gzip.compress(START)[:-8] + b"broken..", "Error -3 while decompressing data: incorrect data check"),
    ],
)
def test_what_was_not_read_is_said_so_and_not_to_have_no_end(
    gateway: Gateway, provider: Provider, token: str, coding: str, body: bytes, message: str
) -> None:
    provider.answers(stream(body, headers=("Content-Type: text/event-stream", f"Content-Encoding: {coding}")))
    assert post(gateway, PATH, ASK_STREAM, token).body == body
    end = gateway.records()[-1]
    assert (end["error_type"], end["error_message"]) == ("answer_not_read", message)


@each_coding
def test_what_follows_the_end_is_not_read(coding: bytes) -> None:
    coded = ENCODE[coding](START + DELTA + STOP + b": %b\n\n" % bytes(TURN // 2) + TOOL)
    tap = StreamTap(MESSAGES, coding)
    assert tap.feed(coded) == b""
    assert tap.terminal
    assert not tap.behind
    assert not [finding for finding in tap.read().findings if isinstance(finding, ToolCall)]
    assert tap.held() == coded


@each_coding
def test_nor_what_follows_more_than_is_ever_kept(coding: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderai.stream_reader.KEPT_LIMIT", TURN // 4)
    coded = ENCODE[coding](b": %b\n\n" % bytes(TURN * 3 // 4) + START + STOP)
    tap = StreamTap(MESSAGES, coding)
    assert tap.feed(coded) == coded
    assert (tap.terminal, tap.fault) == (False, f"an event larger than {TURN // 4} bytes")


@each_coding
def test_json_in_its_place_waits_though_it_takes_several_turns(coding: bytes) -> None:
    coded = ENCODE[coding](b'{"error":{"message":"%b"}}' % (WORDS * 4000))
    tap = StreamTap(MESSAGES, coding)
    sent = tap.feed(coded)
    turns = 0
    while tap.behind:
        sent += tap.feed(b"")
        turns += 1
    assert turns
    assert sent == b""
    assert tap.held() == coded


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
@pytest.mark.parametrize("behind", [b"\n", b"no member of any coding"])
def test_what_stands_behind_a_coded_end_does_not_let_it_out_unread(coding: bytes, behind: bytes) -> None:
    coded = ENCODE[coding](START + DELTA + STOP) + behind
    tap = StreamTap(MESSAGES, coding)
    assert tap.feed(coded) == b""
    assert tap.terminal
    assert tap.read().findings
    assert (tap.fault, tap.held()) == (None, coded)


# An error that the tap does not take for the end.
OVERLOADED = b'data: {"request":{},"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n'


@pytest.mark.parametrize(
    ("begun", "error"),
    [(b'{"id":"m","usage":{"input_tokens":1,"output_tokens":2}}\n\n', None), (START + OVERLOADED, "overloaded_error")],
    ids=["a whole answer", "an error"],
)
def test_what_came_before_the_coding_broke_tells_how_it_ended(begun: bytes, error: str | None) -> None:
    tap = StreamTap(MESSAGES, b"gzip")
    coder = zlib.compressobj(wbits=31)
    chunks = (coder.compress(begun) + coder.flush(zlib.Z_SYNC_FLUSH), b"\xff", b"more")
    assert b"".join(map(tap.feed, chunks)) == b"".join(chunks)
    assert tap.unread
    assert tap.read().error_type == error
    assert tap.read().findings


def test_one_whose_coding_breaks_off_has_no_end(gateway: Gateway, provider: Provider, token: str) -> None:
    body = gzip.compress(START + DELTA)[:-8]
    provider.answers(stream(body, headers=("Content-Type: text/event-stream", "Content-Encoding: gzip")))
    assert post(gateway, PATH, ASK_STREAM, token).body == body
    assert gateway.records()[-1]["error_type"] == "incomplete_stream"
