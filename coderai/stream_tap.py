"""The tap of a stream of server-sent events: what of it goes to the client at once, and what waits.

Chunks come cut anywhere. Most are whole events that tell nothing: `feed` finds that out with one look and passes them
on. The rest is read (stream_reader.py), and goes on but for so many of its last bytes (`_waits`):

    the terminal event, and what follows it   until the records are stored: `held` lets it out
    the pieces of an event that has begun     until it has come whole, if it may be the terminal one (as soon as its
                                              name is known), or events are withheld
    the latest chunk of JSON, not events      until the next one: its last one is the answer's end
    coded chunks                              all of them, if any of what they decode to has to wait

Of `data: {"n":1}\\n\\nda`, `ta: [DO` and `NE]\\n\\n`, say, the first two go on as they come, and the third one waits.
"""

import re
from codecs import BOM_UTF8
from functools import cache

from coderai.coded import Coded
from coderai.formats.format import Format, Reading
from coderai.picking import BLANK, Beginning, shown
from coderai.sse import json_in
from coderai.stream_reader import StreamReader
from coderai.waiting import Waiting
from coderai.wire.encodings import Undecodable, decoder_in_steps
from coderai.wire.reads import Skippable

# Bytes of an answer that tell whether it is JSON, and pieces: each byte of a BOM may come in one of its own.
_BEGINNING = 64
_FIRST = 4


class StreamTap(StreamReader):
    """A ReadingTap of tap.py."""

    def __init__(self, format: Format, coding: bytes | None, withhold: bool = False) -> None:
        """withhold: the client is not to see the events that `format.withheld` names."""
        super().__init__(format)
        self.skippable: Skippable | None = None  # behind an event that told nothing
        self._between = False  # plain bytes, the next of which begins an event, and nothing waits
        self._json: bool | None = None  # JSON in a stream's place; None: not known yet
        self._waiting = Waiting()
        self._skippable = _skippable(format.wanted, format.terminal_hints)
        self._beginning = Beginning(format)
        self._withhold = False
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
                if chunk.find(BLANK) == len(chunk) - 2:  # a single event
                    self._kept.add(chunk)
                    return self._shown(chunk) if self._withhold else chunk
            self._waiting.add(chunk)
            self._pick(chunk, wanted)
            self._between = not self.terminal
            return self._let_out(self._since_terminal)
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self._between = False
            self._give_up(_told(fault))
            return self._waiting.all_but(0) or chunk  # it waits, unless nothing does

    def _feed(self, chunk: bytes) -> bytes:
        self._between = False
        if self._unread is not None:
            return chunk
        self._waiting.add(chunk)
        if self.terminal:
            return b""
        self._read(chunk)
        waits = self._waits()
        if not self._pieces:
            self._beginning.forget()
        pending = self._pieces or self.terminal or self._unread is not None or self._json is not False
        self._between = self._coded is None and not pending
        return self._let_out(waits)

    def _read(self, chunk: bytes) -> None:
        if self._coded is None:
            self._scan(chunk)
            return
        if chunk:
            self._coded.add(chunk)
        try:
            for data in self._coded.turn():
                self._scan(data)
                if self.terminal or self._unread is not None:
                    break
        except Undecodable as fault:
            self._give_up(str(fault))
        if self.terminal:
            self._coded.stop()

    def _give_up(self, fault: str) -> None:
        super()._give_up(fault)
        if self._coded is not None:
            self._coded.stop()  # or whoever reads it waits for ever for the rest

    def _waits(self) -> int:
        """How many of the last bytes that have come do not go on yet."""
        if self.terminal:
            waits = self._since_terminal
        elif self._pieces and (self._withhold or self._beginning.may_be_terminal(self._pieces)):
            waits = self._pieces_size
        else:
            waits = 0
        if self._coded is not None and (waits or self._coded.behind):  # which cannot be cut where an event begins
            return self._waiting.size
        # it has no terminal event: as of any whole body, its latest chunk waits
        return max(waits, self._waiting.latest) if self._is_json() and self._unread is None else waits

    def _is_json(self) -> bool:
        if self._json is None:
            events = self._kept.events
            if json_in(events[0][:_BEGINNING] if events else self._begun()):
                self._json = True
            elif events:
                self._json = False
        return self._json is True

    def _begun(self) -> bytes:
        """What the first event begins with, as far as it has come."""
        begun = b"".join(piece[:_BEGINNING] for piece in self._pieces[:_FIRST]).removeprefix(BOM_UTF8)
        return begun if begun.strip() or not self._pieces else self._pieces[-1]  # blanks before it keep alive

    def _let_out(self, waits: int) -> bytes:
        out = self._waiting.all_but(waits)
        return self._shown(out) if out and self._withhold and self._unread is None else out

    def _shown(self, events: bytes) -> bytes:
        try:
            return shown(self._format, events)
        except Exception as fault:  # see above: then the client sees one more
            self._withhold = False
            self._kept.fault = _told(fault)
            return events

    @property
    def behind(self) -> bool:
        return self._coded is not None and self._coded.behind

    @property
    def long(self) -> bool:
        return super().long or self.behind

    def read(self) -> Reading:
        while self.behind:  # its client has gone, and needs nothing of it
            self.feed(b"")
        return super().read()

    def held(self) -> bytes:
        return self._waiting.all_but(0)


def _told(fault: Exception) -> str:
    return f"{type(fault).__name__} at an event"


@cache  # one for all streams of a format: each object of a stream's own costs the processor's caches a line
def _skippable(wanted: re.Pattern[bytes], terminal_hints: tuple[bytes, ...]) -> Skippable:
    """Whole events, none of which is wanted or terminal."""
    return Skippable(BLANK + b"\r\n", terminal_hints, wanted.search)
