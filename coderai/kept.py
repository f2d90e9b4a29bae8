"""What is kept of one stream: the events that its format wants, as they came; read when the answer is over."""

from collections.abc import Iterator, Sequence

from coderai import sse
from coderai.formats.format import Format, NotUnderstood, Reading, TooDeep
from coderai.formats.terminal import DONE
from coderai.tap import KEPT_LIMIT

# Bytes of one stream: a tool's input of some thousand tokens, 3 ms to read.
LONG = 128 * 1024
# Bytes that are searched in one go: well under a millisecond in which no other thread runs.
SLICE = 256 * 1024


class Kept:
    def __init__(self, format: Format) -> None:
        self.events: list[bytes] = []  # whole ones, one or several
        self.whole = False  # an answer in one piece was read, that had called itself a stream
        self.fault: str | None = None  # why not all of it is kept, or could be read
        self._format = format
        self._size = 0

    def add(self, events: bytes) -> None:
        self._size += len(events)
        if self._size > KEPT_LIMIT:
            self.fault = f"more than {KEPT_LIMIT} bytes to note"
        else:
            self.events.append(events)

    @property
    def long(self) -> bool:
        """Whether reading takes so long that no other stream should have to wait for it."""
        return self._size > LONG

    def read(self, last: bytes) -> Reading:
        """What was found; `last` is an event without its end. May be called again: nothing is used up."""
        kept = [*self.events, last] if last else self.events
        try:
            payloads = [data for events in _slices(kept) for data in sse.payloads(events)]
            reading = self._format.read(self._format.fold(payloads))
            if not reading.findings and (body := _only_json(payloads, kept)):  # an error, mostly
                alone = self._format.read(self._format.whole(body))
                # a mere id in an event is that of an answer which broke off
                if alone.findings or alone.error_type or (alone.message_id and not payloads):
                    self.whole = True
                    return alone
            return reading
        except TooDeep as fault:  # of an answer in one piece, which is like any other but for that
            self.whole = True
            self.fault = str(fault)
            return Reading(error_type="answer_not_read", error_message=self.fault)
        except NotUnderstood as fault:
            self.fault = str(fault)
            return Reading()
        except Exception as fault:  # a parser's fault is ours to log, never the client's to feel
            self.fault = f"{type(fault).__name__} in the {self._format.path} reader"
            return Reading()


def _only_json(payloads: Sequence[bytes], kept: Sequence[bytes]) -> bytes:
    """The JSON that is all there is: as the only event, or as none."""
    said = [data for data in payloads if data != DONE]
    return sse.json_in(said[0] if len(said) == 1 else b"" if said else b"".join(kept))


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
