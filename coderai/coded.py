"""A coded stream while it is relayed: what its chunks decode to. No I/O.

A kilobyte may decode to a megabyte. All of it is read before the chunk goes on, as it may hold the stream's end; but a
turn's worth at a time, so that no other stream waits for it.
"""

from collections import deque
from collections.abc import Iterator

from coderai.wire.encodings import STEP, Steps

# What one turn of the event loop reads, decoded: a few milliseconds. Events compress to a twentieth at most; of a chunk
# as large as a socket gives at once that is twenty turns, of nearly all others one.
TURN = 2 * STEP


class Coded:
    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._decoding: deque[Iterator[bytes]] = deque()

    @property
    def behind(self) -> bool:
        """Whether there is more to decode than a turn could."""
        return bool(self._decoding)

    def add(self, chunk: bytes) -> None:
        self._decoding.append(self._steps(chunk))

    def turn(self) -> Iterator[bytes]:
        """What the chunks decode to, as much as one turn reads; raises Undecodable."""
        left = TURN
        while self._decoding:
            for data in self._decoding[0]:
                yield data
                left -= len(data)
                if left <= 0:
                    return
            self._decoding.popleft()

    def stop(self) -> None:
        """What is left need not be decoded any more."""
        self._decoding.clear()
