"""What a turn of the event loop has read of streams, handed on at its end all at once.

Reading a socket and working on what it gave are different code over different memory. By turns, for hundreds of
streams, each drives the other out of the processor's caches; one after the other they cost a tenth less an event.
Most chunks tell nothing and go to their clients from here: each call and each object on a longer way costs 1 %.

Behind a turn that took long because of many streams, they rest behind each read (rests.py).
"""

import asyncio
import re
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol

from coderai.wire.chunked import beginning, whole_chunks
from coderai.wire.rests import Rests, Stream

# A turn that took longer is felt by whoever needs several of them, as a request does.
LONG_TURN_SECONDS = 0.003
# Of fewer streams, or of those that bring more at once, nothing is gained by letting more gather.
MANY_STREAMS = 64
LITTLE = 4096  # bytes in one read


class Skippable(NamedTuple):
    """Chunks to forward unread: each ends in `suffix`, framing and all; they hold none of `marks`, nor what `search`
    finds.
    """

    suffix: bytes
    marks: tuple[bytes, ...]
    search: Callable[[bytes], re.Match[bytes] | None]


class Bypass(NamedTuple):
    """Where chunks go that pass their reader by."""

    skippable: Skippable
    send: Callable[[bytes], None]


class Reader(Stream, Protocol):
    """Who takes what was read."""

    bypass: Bypass | None  # None unless all that came before are whole chunks: nothing else is looked at

    def take(self, data: bytes) -> None: ...
    def break_off(self) -> None:
        """Some of what came was not taken: nothing more must look whole."""


class Reads:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._since = 0.0  # when this turn first read of a stream, by the monotonic clock
        self._rests = Rests(loop)
        self._waiting: list[tuple[Reader, bytes]] = []

    def add(self, reader: Reader, data: bytes) -> None:
        """`reader` gets it at the end of this turn, in the order in which it came, if it does not pass it by."""
        if not self._waiting:
            self._since = monotonic()
            self._loop.call_soon(self.hand_on)
        self._waiting.append((reader, data))

    def hand_on(self) -> None:
        """All that waits, now."""
        waiting, self._waiting = self._waiting, []
        for reader, data in waiting:
            try:
                if reader.bypass is not None:
                    (suffix, marks, search), send = reader.bypass
                    begin = beginning(len(data))
                    if begin and data.startswith(begin):
                        whole = data.endswith(suffix, len(begin))
                    else:
                        whole = whole_chunks(data, suffix)
                    if whole and search(data) is None:
                        for mark in marks:
                            if data.find(mark) >= 0:
                                break
                        else:
                            send(data)
                            continue
                reader.take(data)
            except Exception as fault:  # one's own: the others get theirs
                self._failed(fault)
                try:
                    reader.break_off()
                except Exception as another:
                    self._failed(another)
        if len(waiting) >= MANY_STREAMS or self._rests.needed:
            self._let_rest(waiting)

    def _let_rest(self, read: list[tuple[Reader, bytes]]) -> None:
        """Those of them that are streams of little events, where that is needed."""
        streams = [reader for reader, data in read if reader.bypass is not None and len(data) < LITTLE]
        if len(streams) >= MANY_STREAMS and (took := monotonic() - self._since) > LONG_TURN_SECONDS:
            self._rests.need(took)
        if self._rests.needed:
            self._rests.let(streams)

    def _failed(self, fault: Exception) -> None:
        self._loop.call_exception_handler({"message": "data was not taken", "exception": fault})
