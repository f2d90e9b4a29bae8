"""Reading a stream of server-sent events while it comes: which of them are kept, and which is the terminal one.

Bytes come decoded and cut anywhere. They are put together to whole events, which are searched; StreamTap, which is
built upon it, says what of them the client gets, and when.
"""

from msgspec.structs import replace

from coderai import sse
from coderai.formats.format import Format, Reading
from coderai.kept import Kept
from coderai.picking import LARGE, Found, is_terminal, pick, pick_large
from coderai.tap import KEPT_LIMIT


class StreamReader:
    def __init__(self, format: Format) -> None:
        self.terminal = False
        self._since_terminal = 0  # bytes from where the terminal event begins to the end of what was read
        self._format = format
        self._wanted = format.wanted.search
        self._hints = format.terminal_hints
        self._unread: str | None = None  # why nothing more is read
        self._kept = Kept(format)
        self._pieces: list[bytes] = []  # of an event that is not complete yet
        self._pieces_size = 0
        self._tail = b""  # the last two bytes of `_pieces`: an event's end may be cut in two

    @property
    def fault(self) -> str | None:
        return self._unread or self._kept.fault

    @property
    def unread(self) -> bool:
        """Whether some of it was not read: it may have ended as it should."""
        return self._unread is not None

    def _scan(self, data: bytes) -> None:
        """Reads decoded bytes."""
        end = sse.last_boundary(self._tail + data if self._tail else data) - len(self._tail)
        if end <= 0:
            self._gather(data)
            return
        rest = data[end:] if end < len(data) else b""
        events = data[:end] if rest else data
        large = 0
        if self._pieces:
            if self._pieces_size > LARGE:
                large = self._pieces_size + sse.first_boundary(self._tail + data) - len(self._tail)
            events = b"".join((*self._pieces, events))
            self._pieces = []
        self._pieces_size = 0
        self._tail = b""
        if large:
            self._pick(events, None, large)
        else:
            # one after the other: each begins with a literal, which makes its search fast; joined they would not
            wanted = self._wanted(events)
            if not self._kept.events or wanted is not None or any(events.find(hint) >= 0 for hint in self._hints):
                self._pick(events, wanted)
        if self.terminal:
            self._since_terminal += len(rest)
        elif rest:
            self._gather(rest)

    def _gather(self, data: bytes) -> None:
        """Puts by what is no complete event yet."""
        if not data:
            return
        self._pieces.append(data)
        self._pieces_size += len(data)
        self._tail = (self._tail + data)[-2:]
        if self._pieces_size > KEPT_LIMIT:
            self._give_up(f"an event larger than {KEPT_LIMIT} bytes")

    def _pick(self, events: bytes, wanted: Found, large: int = 0) -> None:
        """Keeps the wanted ones of these whole events, of which the first is marked by `wanted`.

        large: the size of the first one, if it is a large one.
        """
        first = not self._kept.events
        if large:
            kept, terminal_at = pick_large(self._format, events, large, first=first)
        else:
            kept, terminal_at = pick(self._format, events, wanted, first=first)
        for some in kept:
            self._kept.add(some)
        if terminal_at is not None:
            self.terminal = True
            self._since_terminal = len(events) - terminal_at

    def _give_up(self, fault: str) -> None:
        self._unread = fault
        self._pieces = []
        self._pieces_size = 0

    @property
    def long(self) -> bool:
        return self._kept.long or self._pieces_size > LARGE

    def read(self) -> Reading:
        """May be called again, with the same result: nothing is used up."""
        last = b"".join(self._pieces)  # without a blank line behind it
        self.terminal |= is_terminal(self._format, last)
        reading = self._kept.read(last)
        self.terminal |= self._kept.whole
        if self._unread is not None and not self.terminal and reading.error_type is None:
            return replace(reading, error_type="answer_not_read", error_message=self._unread)
        return reading
