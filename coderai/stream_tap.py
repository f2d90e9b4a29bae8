"""The tap of a stream of server-sent events: what of it goes to the client at once, and what waits.

Chunks come cut anywhere. Most are whole events that tell nothing: `feed` finds that out with one look and passes them
on. The rest is read (stream_reader.py), and from the terminal event on held back. Where bytes are meanwhile, and
whether the client has them:

    _kept     whole events, to be read at the end                 yes, but for the terminal one
    _pieces   of an event that has begun                          yes; not where events are withheld, nor if it may be
                                                                  the terminal one: its end lets them out, or `held`
    _latest   the last chunk of what may be JSON, not events      no: `held`, or the next chunk, lets it out
    _coded    coded chunks in which the terminal event may begin  no: `take`, when that is known
    _half     the end of a line, which may be cut in two          no: it goes before the next chunk
    _held     from the terminal event on                          no: `held` lets it out

`_tail` is a copy of the end of `_pieces`.
"""

import re
from codecs import BOM_UTF8
from functools import cache

from coderai import sse
from coderai.coded import Coded
from coderai.formats.format import Format, Reading
from coderai.picking import BLANK, Beginning
from coderai.stream_reader import StreamReader
from coderai.wire.encodings import Undecodable, decoder_in_steps
from coderai.wire.reads import Skippable

_LINE_ENDS = (b"\n", b"\r")
_BLANKS = (BLANK, b"\n\r\n")
# Bytes of an answer that tell whether it is JSON, and pieces: each byte of a BOM may come in one of its own.
_BEGINNING = 64
_FIRST = 4


class StreamTap(StreamReader):
    """A ReadingTap of tap.py."""

    def __init__(self, format: Format, coding: bytes | None, withhold: bool = False) -> None:
        super().__init__(format)
        self.skippable: Skippable | None = None  # behind an event that told nothing
        self._between = False  # plain bytes, the next of which begins an event, and none is held back
        self._certain = False  # that it is events, or not read
        self._latest = b""  # of what seems to be JSON
        self._skippable = _skippable(format.wanted, format.terminal_hints)
        self._beginning = Beginning(format)
        self._coded: Coded | None = None
        try:
            steps = decoder_in_steps(coding)
        except Undecodable as fault:
            self._give_up(str(fault))
        else:
            if steps is not None:
                self._coded = Coded(steps)
            else:  # a coded stream cannot have an event taken out, so its client sees one chunk more
                self._withhold = withhold

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
            latest, self._latest = self._latest, b""
            if self._coded is not None:
                return latest + self._coded.take()
            return b"".join((latest, *(pieces if self._withhold else ()), self._beginning.take(), half, chunk))
        if not self._pieces:
            self._beginning.forget()
        if not self._certain:
            out = self._but_latest(out)
        pending = self._pieces or self._half or self.terminal or self._unread or not self._certain
        self._between = self._coded is None and not pending
        return out

    def _but_latest(self, out: bytes) -> bytes:
        """JSON in a stream's place has no terminal event: as of any whole body, its latest chunk waits."""
        if self.terminal or self._unread is not None or not self._seems_json():
            self._certain = self._unread is not None or bool(self._kept.events)
            out, self._latest = self._latest + out, b""
        elif out:
            out, self._latest = self._latest, out
        return out

    def _seems_json(self) -> bool:
        if self._kept.events:
            return sse.json_in(self._kept.events[0][:_BEGINNING]) != b""
        if self._latest or not self._pieces:
            return self._latest != b""
        begun = b"".join(piece[:_BEGINNING] for piece in self._pieces[:_FIRST]).removeprefix(BOM_UTF8)
        return sse.json_in(begun if begun.strip() else self._pieces[-1]) != b""  # blanks before it keep alive

    def _read(self, chunk: bytes) -> bytes:
        if self._half:
            chunk, self._half = self._half + chunk, b""
        if self.terminal:
            self._held.append(chunk)
            return b""
        if self._unread is not None:
            return chunk
        if self._coded is not None:
            return self._read_coded(self._coded, chunk)
        # most end amid a line, or in a blank one
        line_ends = chunk.endswith(_LINE_ENDS) and not chunk.endswith(_BLANKS)
        if line_ends and (half := sse.open_end(self._tail + chunk[-4:])):
            chunk, self._half = chunk[: -len(half)], half
        sent = 0 if self._withhold else self._pieces_size
        return self._out(chunk, sent, self._scan(chunk))

    def _read_coded(self, coded: Coded, chunk: bytes) -> bytes:
        """It cannot be cut where the terminal event begins: while that one may have begun, whole chunks wait."""
        if chunk:
            coded.add(chunk)
        try:
            for data in coded.turn():
                self._scan(data)
                if self.terminal or self._unread is not None:
                    break
        except Undecodable as fault:
            self._give_up(str(fault))
        if self.terminal:
            self._held.append(coded.take())
            return b""
        waits = self._unread is None and (
            coded.behind or (self._pieces and self._beginning.may_be_terminal(self._pieces))
        )
        return b"" if waits else coded.take()

    def _out(self, chunk: bytes, sent: int, events: bytes) -> bytes:
        """What of the chunk the client gets. sent: bytes already forwarded of the event that this chunk begins in."""
        if self._withhold:
            return events
        if self._pieces and not self.terminal:
            return self._beginning.pass_on(chunk, self._pieces, self._pieces_size)
        if early := self._beginning.take():
            chunk, sent = early + chunk, sent - len(early)
        if not self.terminal:
            return chunk
        cut = max(0, self._terminal_at - sent)
        self._held.append(chunk[cut:])
        return chunk[:cut]

    def _fail(self, fault: Exception) -> None:
        self._half = b""
        self._between = False
        self._give_up(f"{type(fault).__name__} at an event")

    @property
    def behind(self) -> bool:
        return self._coded is not None and self._coded.behind

    @property
    def long(self) -> bool:
        return super().long or self.behind

    def read(self) -> Reading:
        while self.behind:  # its client has gone, and nothing more is to come
            self._held.append(self.feed(b""))
        return super().read()

    def held(self) -> bytes:
        pieces = self._pieces if self._withhold else ()
        coded = self._coded.take() if self._coded is not None else b""
        held = b"".join((self._latest, self._beginning.take(), *self._held, *pieces, coded, self._half))
        self._held.clear()
        self._latest = self._half = b""
        return held


@cache  # one for all streams of a format: each object of a stream's own costs the processor's caches a line
def _skippable(wanted: re.Pattern[bytes], terminal_hints: tuple[bytes, ...]) -> Skippable:
    """Whole events, none of which is wanted or terminal."""
    return Skippable(BLANK + b"\r\n", terminal_hints, wanted.search)
