"""What is noted of one answer while it is relayed: bytes in, the same bytes out, no I/O.

The relay knows one call, `feed(chunk) -> bytes to send now`. Beside it a tap keeps what the format wants to
read: it searches whole events for the wanted ones and decodes nothing before the answer is over. From the
terminal event on (a sized answer's last bytes, where there is none) it holds everything back: `held()` gives that
once the records are stored. A tap never raises; what it cannot read, it relays unread. Streams: stream_tap.py.
"""

import re
from typing import Any, Protocol

from coderai.formats.format import NotUnderstood, Reading, TooDeep
from coderai.wire.encodings import LONG_CODED, Undecodable, decode
from coderai.wire.headers import Named
from coderai.wire.reads import Skippable

# Of a stream that nobody reads: every whole chunk.
_ANYTHING = Skippable(b"\r\n", (), re.compile(rb"(?!)").search)

# What is kept of one answer for reading: more than any model writes in one, and a bound on memory.
KEPT_LIMIT = 64 * 1024 * 1024


class Tap(Protocol):
    """What the relay knows of one."""

    @property
    def terminal(self) -> bool:
        """Whether the terminal event has come: nothing goes out until `held`."""

    @property
    def skippable(self) -> Skippable | None:
        """What may go on without being fed, until the next `feed`; None if all has to be fed."""

    @property
    def behind(self) -> bool:
        """Whether it needs another turn of the loop for what it was fed, and let nothing out of: by `feed(b"")`."""

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now."""

    def held(self) -> bytes:
        """What was held back; call it once, when the records are stored and no more `feed` holds."""


class ReadingTap(Tap, Protocol):
    """One that keeps what there is to record."""

    @property
    def fault(self) -> str | None:
        """Why this answer could not be read, for one log line."""

    @property
    def long(self) -> bool:
        """Whether `read` takes so long that no other stream should have to wait for it."""

    def read(self) -> Reading:
        """What was found, as far as the answer came; `terminal` then tells of an event without its end, too."""


class NoTap:
    """Reads nothing; of an answer that is no stream it holds the latest chunk back as WholeTap does."""

    terminal = behind = False

    def __init__(self, streamed: bool) -> None:
        self.skippable = _ANYTHING if streamed else None
        self._streamed = streamed
        self._last = b""

    def feed(self, chunk: bytes) -> bytes:
        if self._streamed:
            return chunk
        out, self._last = self._last, chunk
        return out

    def held(self) -> bytes:
        return self._last


class WholeReader(Protocol):
    """The part of a Format that reads whole bodies."""

    path: str

    def whole(self, body: bytes) -> Any: ...
    def read(self, answer: Any) -> Reading: ...


class WholeTap:
    """A ReadingTap of a whole body: kept for reading, and its latest chunk held back until the next one or the end."""

    terminal = behind = False
    skippable = None

    def __init__(self, format: WholeReader, coding: bytes | None) -> None:
        self.fault: str | None = None
        self._format = format
        self._coding = coding
        self._kept: list[bytes] = []
        self._size = 0
        self._last = b""

    @property
    def long(self) -> bool:
        return self._coding is not None and self._size > LONG_CODED

    def feed(self, chunk: bytes) -> bytes:
        out, self._last = self._last, chunk
        self._size += len(chunk)
        if self._size <= KEPT_LIMIT:
            self._kept.append(chunk)
        else:
            self._kept.clear()
        return out

    def held(self) -> bytes:
        held, self._last = self._last, b""
        return held

    def read(self) -> Reading:
        if self._size > KEPT_LIMIT:
            return self._unread(f"larger than {KEPT_LIMIT} bytes")
        try:
            return self._format.read(self._format.whole(decode(self._coding, b"".join(self._kept))))
        except (TooDeep, Undecodable) as fault:  # so deep a model's input to a tool may be, in an answer like any other
            return self._unread(str(fault))
        except NotUnderstood as fault:  # an error in HTML, say: the status tells
            self.fault = str(fault)
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self.fault = f"{type(fault).__name__} in the {self._format.path} reader"
        return Reading()

    def _unread(self, fault: str) -> Reading:
        self.fault = fault
        return Reading(error_type="answer_not_read", error_message=fault)


class TapWrapper:
    """What the relay knows of another tap, which is fed everything."""

    skippable = None

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    @property
    def terminal(self) -> bool:
        return self._tap.terminal

    @property
    def behind(self) -> bool:
        return self._tap.behind

    def feed(self, chunk: bytes) -> bytes:
        return self._tap.feed(chunk)

    def held(self) -> bytes:
        return self._tap.held()


class SizedTap(TapWrapper):
    """Around the tap of a body of so many bytes: with the last of them it holds back what that one lets pass."""

    def __init__(self, tap: Tap, length: int) -> None:
        super().__init__(tap)
        self._left = length
        self._last = b""

    def feed(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        out = super().feed(chunk)
        if self._left > 0:
            return out
        self._last += out
        return b""

    def held(self) -> bytes:
        return self._last + super().held()


def last_held(tap: Tap, fields: Named) -> Tap:
    """Of a stream whose length was given, the last bytes are its end: there is no last chunk that could wait.

    fields: of the answer.
    """
    length = fields.get(b"content-length")
    return tap if length is None or b"transfer-encoding" in fields else SizedTap(tap, int(length))
