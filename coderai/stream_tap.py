"""The tap of a stream of server-sent events: which of them are kept for reading, and which is the last.

Chunks come cut anywhere. Most are whole events that tell nothing: `feed` finds that out with one look and passes them
on. The rest is put together to whole events, searched, and from the terminal one on held back.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from coderai import sse
from coderai.formats.format import Format, Reading
from coderai.tap import KEPT_LIMIT
from coderai.wire.encodings import Decoder, Undecodable, decoder
from coderai.wire.reads import Dull

# Bytes kept of one stream: a tool's input of some thousand tokens, 3 ms to read.
LONG = 128 * 1024
# Bytes that are searched in one go: well under a millisecond in which no other thread runs.
SLICE = 256 * 1024

_BLANK = b"\n\n"
Found = re.Match[bytes] | None


class StreamTap:
    """A Tap of tap.py."""

    def __init__(self, format: Format, coding: bytes | None, withhold: bool = False) -> None:
        self.terminal = False
        self.fault: str | None = None
        self.dull: Dull | None = None  # behind an event that told nothing
        self._between = False  # plain bytes, the next of which begins an event, and none is held back
        self._format = format
        self._wanted = format.wanted.search
        self._hints = format.terminal_hints
        self._dull = _dull(format.wanted, format.terminal_hints)
        self._decoder: Decoder | None = None
        self._unreadable = False
        try:
            self._decoder = decoder(coding)
        except Undecodable as fault:
            self._give_up(str(fault))
        # a coded stream cannot have an event taken out, so its client sees one chunk more
        self._withhold = withhold and self._decoder is None and not self._unreadable
        self._kept: list[bytes] = []  # whole events, one or several
        self._kept_size = 0
        self._pieces: list[bytes] = []  # of an event that is not complete yet
        self._pieces_size = 0
        self._tail = b""  # the last bytes of `pieces`: an event's end may be cut in two
        self._half = b""  # of a blank line's CRLF, the CR: a client may take it for the whole, so it waits for the rest
        self._held: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """What of it the client is to get now. Most chunks are whole events that nobody has to look at further."""
        try:
            self.dull = None
            if not (self._between and chunk.endswith(_BLANK)):
                return self._feed(chunk)
            wanted = self._wanted(chunk)
            for hint in self._hints:
                if chunk.find(hint) >= 0:  # `in` would first try it as a number, and fail, at twice the cost
                    break
            else:
                if wanted is None:
                    self.dull = self._dull
                    return chunk
                if (
                    chunk.find(_BLANK) == len(chunk) - 2 and chunk.find(b"\r") < 0 and not self._withhold
                ):  # a single event
                    self._keep(chunk)
                    return chunk
            events = self._pick(chunk, b"", wanted)
            self._between = not self.terminal
            return self._out(chunk, 0, events)
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self._fail(fault)
            return chunk

    def _end(self, events: bytes) -> Found:
        """The terminal event's mark, where it is among these."""
        found = [at for hint in self._hints if (at := events.find(hint)) >= 0]
        if not found:
            return None
        # it cannot begin before the event that the first hint is in
        return self._format.terminal.search(events, max(0, events.rfind(_BLANK, 0, min(found))))

    def _feed(self, chunk: bytes) -> bytes:
        self._between = False
        half, pieces = self._half, self._pieces
        try:
            out = self._read(chunk)
        except Exception as fault:  # see above; with what the client has not got yet
            self._fail(fault)
            return b"".join((*(pieces if self._withhold else ()), half, chunk))
        pending = self._pieces or self._half or self.terminal or self._unreadable or not self._kept
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
            if chunk.endswith(b"\r") and (self._tail + chunk).endswith(b"\n\r"):
                chunk, self._half = chunk[:-1], b"\r"
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
        """What of the chunk the client gets; of the event that it begins amid, so many bytes were sent before."""
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
        if not self._kept or wanted is not None or any(events.find(hint) >= 0 for hint in self._hints):
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
        plain = not self._withhold and b"\r" not in events
        if plain and self._pick_at_once(events, wanted):
            return events
        out: list[bytes] = []
        at = 0
        for event in sse.split(events)[0]:
            if self._end(event) is not None:
                self._keep(event)
                self.terminal = True
                self._terminal_at = at
                if self._withhold:
                    self._held.append(events[at:] + rest)
                break
            if not self._kept or self._wanted(event):
                self._keep(event)
            if self._withhold and not self._format.withheld(event):
                out.append(event)
            at += len(event)
        return b"".join(out)

    def _pick_at_once(self, events: bytes, wanted: Found) -> bool:
        """The same for events that end in one blank line, from one match to the next instead of event by event.

        False, with nothing kept, where the terminal event is not what it seemed to be.
        """
        limit = len(events)
        if (match := self._end(events)) is not None:
            before = events.rfind(_BLANK, 0, match.start())
            limit = before + 2 if before >= 0 else 0
            last = events[limit : events.index(_BLANK, limit) + 2]
            if self._format.terminal.search(last) is None:
                return False
        at = 0
        if not self._kept and limit:
            at = events.index(_BLANK) + 2
            self._keep(events[:at])
        while wanted is not None and wanted.end() <= limit:
            if wanted.start() >= at:
                begin = events.rfind(_BLANK, at, wanted.start())
                begin = at if begin < 0 else begin + 2
                at = self._run(events, events.index(_BLANK, wanted.end()) + 2, limit)
                self._keep(events[begin:at])
            wanted = self._wanted(events, at, limit)
        if limit < len(events):
            self._keep(last)
            self.terminal = True
            self._terminal_at = limit
        return True

    def _run(self, events: bytes, end: int, limit: int) -> int:
        """Where the wanted events that follow one upon the other from `end` on stop: often many do."""
        while end < limit:
            following = events.find(_BLANK, end) + 2
            if following < 2 or self._wanted(events, end, following) is None:  # or a third LF is all that is left
                break
            end = following
        return end

    def _keep(self, events: bytes) -> None:
        self._kept_size += len(events)
        if self._kept_size > KEPT_LIMIT:
            self.fault = f"more than {KEPT_LIMIT} bytes to note"
        else:
            self._kept.append(events)

    def _fail(self, fault: Exception) -> None:
        self._half = b""
        self._give_up(f"{type(fault).__name__} at an event")

    def _give_up(self, fault: str) -> None:
        self.fault = fault
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
        """Whether reading takes so long that no other stream should have to wait for it."""
        return self._kept_size > LONG

    def read(self) -> Reading:
        """May be called again, with the same result: nothing is used up."""
        kept = self._kept
        if self._pieces:
            event = b"".join(self._pieces)  # an end without a blank line
            kept = [*kept, event]
            self.terminal = self._format.terminal.search(event) is not None
        try:
            payloads = [data for events in _slices(kept) for data in sse.payloads(events)]
            return self._format.read(self._format.fold(payloads))
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self.fault = f"{type(fault).__name__} in the {self._format.path} reader"
            return Reading()


@cache  # one for all streams of a format: each object of a stream's own costs the processor's caches a line
def _dull(wanted: re.Pattern[bytes], terminal_hints: tuple[bytes, ...]) -> Dull:
    """Whole events, none of which is wanted or terminal."""
    return Dull(_BLANK + b"\r\n", terminal_hints, wanted.search)


def _slices(kept: Sequence[bytes]) -> Iterator[bytes]:
    """All of it, in slices of whole events: between two of them, other threads have their turn."""
    events: list[bytes] = []
    size = 0
    for some in kept:
        events.append(some)
        size += len(some)
        if size > SLICE:
            yield b"".join(events)
            events, size = [], 0
    yield b"".join(events)
