"""Events that are larger than what is searched of one: kept, or known for the last, by their beginning or their end."""

import re
import tracemalloc
from collections.abc import Sequence

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.kept import Kept
from coderai.picking import LARGE
from coderai.stream_tap import StreamTap
from tests.codings import CODINGS

PAD = b"x" * (2 * LARGE)
FIRST = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"
COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","pad":"%b",'
    b'"usage":{"input_tokens":3,"output_tokens":4}}}\n\n' % PAD
)
ends = pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
sizes = pytest.mark.parametrize("size", [16_384, 100_000])


def fed(tap: StreamTap, data: bytes, size: int) -> bytes:
    return b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size))


def called(before: bytes, behind: bytes) -> bytes:
    tool = b'"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{}"}}]'
    return b'data: {"choices":[{"index":0,"delta":{%b%b%b}}]}\n\n' % (before, tool, behind)


@ends
@sizes
@pytest.mark.parametrize("withhold", [False, True])
@pytest.mark.parametrize(
    "events",
    [
        [FIRST, called(b"", b',"pad":"%b"' % PAD), USAGE, DONE],
        [FIRST, called(b'"content":"%b",' % PAD, b""), USAGE, DONE],
        [b'data: {"id":"c","pad":"%b"}\n\n' % PAD, called(b"", b""), USAGE.replace(b'"id":"c",', b""), DONE],
        [b": %b\n\n" % PAD, FIRST, called(b"", b""), USAGE.replace(b'"id":"c",', b""), DONE],
    ],
    ids=["at its beginning", "at its end", "the first", "no more than a comment"],
)
def test_one_is_kept(end: bytes, size: int, withhold: bool, events: Sequence[bytes]) -> None:
    data = b"".join(events).replace(b"\n", end)
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold)
    sent = fed(tap, data, size)
    reading = tap.read()
    assert tap.terminal
    assert reading.message_id == "c"
    assert sorted(type(finding).__name__ for finding in reading.findings) == ["Tokens", "ToolCall"]
    usage = events[-2].replace(b"\n", end)
    assert sent + tap.held() == (data.replace(usage, b"") if withhold else data)


@ends
@sizes
def test_one_that_ends_the_stream_waits(end: bytes, size: int) -> None:
    data = COMPLETED.replace(b"\n", end)
    tap = StreamTap(RESPONSES, None)
    sent = fed(tap, data + b": bye" + end, size)
    assert tap.terminal
    assert sent == b""  # its name is known with the first piece
    assert tap.held() == data + b": bye" + end
    assert len(tap.read().findings) == 1


@sizes
@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_one_without_its_end_does_so_too(size: int, left_out: int) -> None:
    tap = StreamTap(RESPONSES, None)
    fed(tap, COMPLETED[:-left_out], size)
    assert not tap.terminal
    assert tap.long  # no other stream waits while it is read
    tap.read()
    assert tap.terminal


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, MESSAGES, RESPONSES], ids=lambda format: format.path)
def test_what_stands_amid_one_is_not_looked_at(format: Format) -> None:
    """Thousands of lines that seem to be an end: no provider sends such, and searching them holds up all others."""
    tap = StreamTap(format, None)
    filler = b"data: error\n" * (2 * LARGE // 12)
    begun = FIRST + filler + b'data: [DONE]\ndata: {"error":{"message":"m"}}\n' + filler + b"data: so"
    assert fed(tap, begun, 16_384) == begun
    fed(tap, b"\n\n", 2)
    assert not tap.terminal


class Counted:
    """A pattern, and how many bytes it was let loose upon."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.searched = 0

    def search(self, data: bytes, begin: int = 0) -> re.Match[bytes] | None:
        self.searched += len(data) - begin
        return self.pattern.search(data, begin)


def test_what_tells_nothing_at_its_edges_is_not_searched_in_between() -> None:
    counting = type(CHAT_COMPLETIONS)()
    counting.wanted = wanted = Counted(CHAT_COMPLETIONS.wanted)
    tap = StreamTap(counting, None)
    tap.feed(FIRST)
    wanted.searched = 0
    assert fed(tap, b'data: {"x":"%b"}\n\n' % PAD, 16_384)
    assert 0 < wanted.searched <= LARGE


@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, MESSAGES, RESPONSES], ids=lambda format: format.path)
def test_one_full_of_errors_does_not_take_longer_in_small_pieces(format: Format) -> None:
    """A log that a tool is to write, say: searched from its beginning with each piece it took seconds."""
    counting = type(format)()
    counting.terminal = terminal = Counted(format.terminal)
    tap = StreamTap(counting, None)
    fed(tap, FIRST, len(FIRST))
    event = b'data: {"x":"%b"}\n\n' % (b"data: error, " * (3 * LARGE // 13))
    assert fed(tap, event, 100) == event
    assert LARGE < terminal.searched < 40 * len(event)
    assert not tap.terminal


@pytest.mark.parametrize("coding", CODINGS)
def test_one_that_tells_nothing_is_not_kept(coding: bytes | None) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, coding)
    encode = CODINGS[coding]()
    tracemalloc.start()
    for part in (FIRST, b'data: {"x":"[DONE]' + PAD, PAD + b'"}\n\n', FIRST):
        tap.feed(encode(part))
        while tap.behind:
            tap.feed(b"")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < len(PAD)


def test_of_more_than_is_ever_kept_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events it comes in: they are what memory would go for."""
    event = called(b"", b"")
    limit = len(USAGE) + 3 * len(event)
    monkeypatch.setattr("coderai.kept.KEPT_LIMIT", limit)
    kept = Kept(CHAT_COMPLETIONS)
    for events in (USAGE, *[event] * 10):
        kept.add(events)
    assert sum(map(len, kept.events)) == limit
    assert len(kept.read(b"").findings) == 2
    assert kept.fault == f"more than {limit} bytes to note"


def test_one_that_is_larger_than_is_ever_kept_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the terminal one, for which its pieces waited until then."""
    monkeypatch.setattr("coderai.stream_reader.KEPT_LIMIT", len(PAD))
    tap = StreamTap(RESPONSES, None)
    begun = COMPLETED[:-2]
    tracemalloc.start()
    created, last = b'data: {"type":"response.created"}\n\n', b'data: {"type":"response.completed"}\n\n'
    assert tap.feed(created + begun[: len(PAD)]) == created
    assert tap.long
    assert tap.feed(begun[len(PAD) :]) == begun
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tap.unread
    assert tap.feed(b"\n\n" + last) == b"\n\n" + last
    assert held < LARGE
    assert not tap.long  # there is nothing left to read
    assert tap.read().error_message == f"an event larger than {len(PAD)} bytes"


def test_one_is_not_split_as_if_it_might_be_the_usage() -> None:
    """An image, say: each copy and each search of it takes 1 ms a megabyte, while all others wait."""
    data = b'data: {"x":"%b"}\n\n' % (PAD * 16)
    pieces = [data[at : at + 16_384] for at in range(0, len(data), 16_384)]
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold=True)
    tap.feed(FIRST)
    tracemalloc.start()
    sent = [tap.feed(piece) for piece in pieces]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert b"".join(sent) == data
    assert peak < 2.5 * len(data)
