"""What a turn of the event loop has read of streams, handed on at its end all at once.

Reading a socket and working on what it gave are different code over different memory. By turns, for hundreds of
streams, each drives the other out of the processor's caches; one after the other they cost a tenth less an event.
Most chunks tell nothing and go to their clients from here: each call and each object on a longer way costs 1 %.
"""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from coderai.wire.chunked import beginning


class Skippable(NamedTuple):
    """Chunks to forward unread: they end in `suffix`, framing and all, hold none of `marks`, do not match `search`."""

    suffix: bytes
    marks: tuple[bytes, ...]
    search: Callable[[bytes], re.Match[bytes] | None]


class Bypass(NamedTuple):
    """Where chunks go that pass their reader by."""

    skippable: Skippable
    send: Callable[[bytes], None]


class Reader(Protocol):
    """Who takes what was read."""

    bypass: Bypass | None  # only while what came before are whole chunks: it is asked of nothing else

    def take(self, data: bytes) -> None: ...
    def break_off(self) -> None:
        """Some of what came was not taken: nothing more must look whole."""


class Reads:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[Reader, bytes]] = []

    def add(self, reader: Reader, data: bytes) -> None:
        """`reader` gets it at the end of this turn, in the order in which it came, if it does not pass it by."""
        if not self._waiting:
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
                    if begin and data.startswith(begin) and data.endswith(suffix, len(begin)) and search(data) is None:
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

    def _failed(self, fault: Exception) -> None:
        self._loop.call_exception_handler({"message": "data was not taken", "exception": fault})
