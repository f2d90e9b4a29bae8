"""The tap of a stream of server-sent events: which of them are kept for reading, and which is the last.

Chunks come cut anywhere. Most are whole events that tell nothing: `feed` finds that out with one look and passes them
on. The rest is put together to whole events, searched, and from the terminal one on held back.
"""

import re
from functools import cache

from coderai import sse
from coderai.formats.format import Format, Reading
from coderai.kept import Kept
from coderai.picking import BLANK, Found, is_terminal, pick, shown
from coderai.tap import KEPT_LIMIT
from coderai.wire.encodings import Decoder, Undecodable, decoder
from coderai.wire.reads import Skippable


class StreamTap:
    """A Tap of tap.py."""

    def __init__(self, format: Format, coding: bytes | None, withhold: bool = False) -> None:
        self.terminal = False
        self.skippable: Skippable | None = None  # behind an event that told nothing
        self._between = False  # plain bytes, the next of which begins an event, and none is held back
        self._format = format
        self._wanted = format.wanted.search
        self._hints = format.terminal_hints
        self._skippable = _skippable(format.wanted, format.terminal_hints)
        self._decoder: Decoder | None = None
        self._fault: str | None = None
        self._unreadable = False
        try:
            self._decoder = decoder(coding)
        except Undecodable as fault:
            self._give_up(str(fault))
        # a coded stream cannot have an event taken out, so its client sees one chunk more
        self._withhold = withhold and self._decoder is None and not self._unreadable
        self._kept = Kept(format)
        self._pieces: list[bytes] = []  # of an event that is not complete yet
        self._pieces_size = 0
        self._tail = b""  # the last bytes of `pieces`: an event's end may be cut in two
        self._half = b""  # the end of a line, which waits for what follows (sse.open_end)
        self._held: list[bytes] = []

    @property
    def fault(self) -> str | None:
        return self._fault or self._kept.fault

    def feed(self, chunk: bytes) -> bytes:
        """What of it the client is to get now. Most chunks are whole events that nobody has to look at further."""
        try:
            self.skippable = None
            if not (self._between and chunk.endswith(BLANK)):
                return self._feed(chunk)
            wanted = self._wanted(chunk)
            for hint in self._hints:
                if chunk.find(hint) >= 0:  # `in` would first try it as a number, and fail, at twice the cost
                    break
            else:
                if wanted is None:
                    self.skippable = self._skippable
                    return chunk
                if chunk.find(BLANK) == len(chunk) - 2 and chunk.find(b"\r") < 0:  # a single event
                    self._kept.add(chunk)
                    return b"" if self._withhold and self._format.withheld(chunk) else chunk
            events = self._pick(chunk, b"", wanted)
            self._between = not self.terminal
            return self._out(chunk, 0, events)
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self._fail(fault)
            return chunk

    def _feed(self, chunk: bytes) -> bytes:
        self._between = False
        half, pieces = self._half, self._pieces
        try:
            out = self._read(chunk)
        except Exception as fault:  # see above; with what the client has not got yet
            self._fail(fault)
            return b"".join((*(pieces if self._withhold else ()), half, chunk))
        pending = self._pieces or self._half or self.terminal or self._unreadable or not self._kept.events
        self._between = self._decoder is None and not pending
        return out

    def _read(self, chunk: bytes) -> bytes:
        if self._half:
            chunk, self._half = self._half + chunk, b""
        if self.terminal:
            self._held.append(chunk)
            return b""
        if self._unreadable:
            return chunk
        if self._decoder is None:
            if half := sse.open_end(self._tail + chunk[-4:]):
                chunk, self._half = chunk[: -len(half)], half
            return self._read_plain(chunk)
        try:
            self._scan(self._decoder(chunk))
        except Undecodable as fault:
            self._give_up(str(fault))
        if self.terminal:
            self._held.append(chunk)
            return b""
        return chunk

    def _read_plain(self, chunk: bytes) -> bytes:
        sent = 0 if self._withhold else self._pieces_size
        return self._out(chunk, sent, self._scan(chunk))

    def _out(self, chunk: bytes, sent: int, events: bytes) -> bytes:
        """What of the chunk the client gets. sent: bytes already forwarded of the event that this chunk begins in."""
        if self._withhold:
            return events
        if not self.terminal:
            return chunk
        # the terminal event begins at `terminal_at`, counted from the first of the pieces
        cut = max(0, self._terminal_at - sent)
        self._held.append(chunk[cut:])
        return chunk[:cut]

    def _scan(self, data: bytes) -> bytes:
        """Reads decoded bytes; returns the complete events that the client is to see (when withholding)."""
        end = sse.last_boundary(self._tail + data if self._tail else data) - len(self._tail)
        if end <= 0:
            return self._gather(data)
        rest = data[end:] if end < len(data) else b""
        events = data[:end] if rest else data
        if self._pieces:
            events = b"".join((*self._pieces, events))
            self._pieces = []
        self._pieces_size = 0
        self._tail = b""
        # one after the other: each begins with a literal, which makes its search fast; joined they would not
        wanted = self._wanted(events)
        if not self._kept.events or wanted is not None or any(events.find(hint) >= 0 for hint in self._hints):
            events = self._pick(events, rest, wanted)
        if rest and not self.terminal:
            return events + self._gather(rest) if self._withhold else self._gather(rest)
        return events

    def _gather(self, data: bytes) -> bytes:
        """Puts by what is no complete event yet."""
        if not data:
            return b""
        self._pieces.append(data)
        self._pieces_size += len(data)
        self._tail = (self._tail + data)[-3:]
        if self._pieces_size > KEPT_LIMIT:
            out = b"".join(self._pieces) if self._withhold else b""
            self._give_up(f"an event larger than {KEPT_LIMIT} bytes")
            return out
        return b""

    def _pick(self, events: bytes, rest: bytes, wanted: Found) -> bytes:
        """Keeps the wanted ones of these whole events, of which the first is marked by `wanted`; returns those for the
        client, held ones left out.
        """
        kept, terminal_at = pick(self._format, events, wanted, first=not self._kept.events)
        out = shown(self._format, events[:terminal_at]) if self._withhold else events
        for some in kept:
            self._kept.add(some)
        if terminal_at is not None:
            self.terminal = True
            self._terminal_at = terminal_at
            if self._withhold:
                self._held.append(events[terminal_at:] + rest)
        return out

    def _fail(self, fault: Exception) -> None:
        self._half = b""
        self._give_up(f"{type(fault).__name__} at an event")

    def _give_up(self, fault: str) -> None:
        self._fault = fault
        self._unreadable = True
        self._between = False
        self._pieces = []

    def held(self) -> bytes:
        if self._withhold:
            self._held += self._pieces
        held = b"".join((*self._held, self._half))
        self._held.clear()
        self._half = b""
        return held

    @property
    def long(self) -> bool:
        return self._kept.long

    def read(self) -> Reading:
        """May be called again, with the same result: nothing is used up."""
        last = b"".join((*self._pieces, self._half))  # without a blank line behind it
        if last and not self.terminal:
            self.terminal = is_terminal(self._format, last)
        reading = self._kept.read(last)
        self.terminal |= self._kept.whole
        return reading


@cache  # one for all streams of a format: each object of a stream's own costs the processor's caches a line
def _skippable(wanted: re.Pattern[bytes], terminal_hints: tuple[bytes, ...]) -> Skippable:
    """Whole events, none of which is wanted or terminal."""
    return Skippable(BLANK + b"\r\n", terminal_hints, wanted.search)
