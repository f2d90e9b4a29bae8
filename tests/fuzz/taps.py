"""What every fuzzer asserts: whatever comes, the tap raises nothing and the client gets the provider's bytes."""

import asyncio
from collections.abc import Iterator

from coderai import sse
from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format, NotUnderstood, Reading
from coderai.stream_tap import StreamTap
from coderai.tap import ReadingTap, Tap, WholeTap
from coderai.wire.chunked import framed
from coderai.wire.reads import Bypass, Reads
from tests.provider import contents

FORMATS = (CHAT_COMPLETIONS, RESPONSES, MESSAGES)
CODINGS = (None, b"identity", b"gzip", b"deflate", b"br", b"zstd", b"unknown")

# What a tap says of an exception in `feed`: the relay does not feel it, but there must be none.
OWN_FAULT = "at an event"


class Fed:
    """A tap that is fed chunks, and what its client gets."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.bypass: Bypass | None = None
        self.out: list[bytes] = []
        self.passed = 0

    def take(self, chunks: bytes) -> None:
        self.out.append(self.tap.feed(b"".join(contents(chunks))))
        while self.tap.behind:
            self.out.append(self.tap.feed(b""))
        self.bypass = None if self.tap.skippable is None else Bypass(self.tap.skippable, self.send)

    def send(self, chunks: bytes) -> None:
        self.out += contents(chunks)
        self.passed += 1

    def break_off(self) -> None:
        raise AssertionError("something was not taken")

    def rest(self) -> None:
        """It is asked to, behind what took long."""

    def wake(self) -> None: ...


def feed(fed: Fed, pieces: Iterator[bytes]) -> None:
    """Each a chunk; now one comes in a read, now two."""
    loop = asyncio.new_event_loop()
    reads = Reads(loop)
    for piece in pieces:
        read = framed(piece)
        if len(piece) % 2 and (another := next(pieces, b"")):
            read += framed(another)
        reads.add(fed, read)
        reads.hand_on()
    loop.close()


def cut(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = next(sizes)
        if size:
            yield data[at : at + size]
        at += size


def relayed(tap: ReadingTap, data: bytes, sizes: Iterator[int]) -> bytes:
    """All that the client gets, in the order of the relay: what passes or `feed` lets out, then what was held."""
    fed = Fed(tap)
    feed(fed, cut(data, sizes))
    reading = tap.read()
    assert isinstance(reading, Reading)
    assert tap.read() == reading
    assert OWN_FAULT not in (tap.fault or "")
    return b"".join([*fed.out, tap.held()])


def repeated(sizes: list[int]) -> Iterator[int]:
    while True:
        yield from (max(1, size) for size in sizes or [1])


def by_events(data: bytes, several: int) -> Iterator[int]:
    """So many whole events at a time, as a provider's writes arrive; then what is none."""
    events, rest = sse.split(data)
    for at in range(0, len(events), several):
        yield sum(map(len, events[at : at + several]))
    yield len(rest)


def check_all(format: Format, coding: bytes | None, data: bytes, sizes: list[int]) -> None:
    assert relayed(WholeTap(format, coding), data, repeated(sizes)) == data
    assert relayed(StreamTap(format, coding), data, repeated(sizes)) == data
    if coding is None:
        taps = [StreamTap(format, None) for _ in range(4)]
        cuts = (repeated(sizes), by_events(data, 1), by_events(data, 3), by_events(data, len(data) + 1))
        for tap, cut in zip(taps, cuts, strict=True):
            assert relayed(tap, data, cut) == data
        readings = [tap.read() for tap in taps]
        assert readings == readings[:1] * 4
    withholding = relayed(StreamTap(format, coding, withhold=True), data, repeated(sizes))
    if coding in (None, b"identity"):
        assert without_usage(format, withholding) == without_usage(format, data)
    else:
        assert withholding == data
    try:
        ask = format.ask(data)
    except NotUnderstood:
        return
    assert ask.withholds_usage or ask.body == data


def without_usage(format: Format, data: bytes) -> bytes:
    """The stream less its usage chunks and blank lines between events, which a chunk may take with it."""
    events, rest = sse.split(data)
    return b"".join(event.strip(b"\r\n") for event in events if not format.withheld(event)) + rest.strip(b"\r\n")
