"""A sink: an open file and the thread that writes to it, so that a slow disk or a full pipe holds up no loop.

Contract: `put` never blocks and never raises. Lines wait in a bounded queue; beyond it they are dropped and
counted. A write that fails is counted and tried again every second, from the very byte where it stopped, so
that no line is torn; where its beginning is not the file's end any more, the line is written whole. A file is
opened with O_APPEND and written with one `write` a batch.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from coderai.logs.descriptors import Turn, is_at, is_last, open_file, taken

QUEUE_BYTES = 16 * 1024 * 1024  # what waits for a sink that stands still: some 30,000 records, yet no danger
RETRY_SECONDS = 1.0  # a full disk or a closed pipe is not mended faster
STALL_SECONDS = 1.0  # a write that takes longer counts as stalled; nobody waits for such a sink
STANDARD_STREAMS = {
    "/dev/stdout": 1,
    "/dev/stderr": 2,
}  # by number: opening them fails where they are sockets

Done = Callable[[], None]


class LogError(Exception):
    """A log option that cannot be followed; the message names the option, its value and the remedy."""


class SinkStatus(Struct, frozen=True):
    """How one sink fares."""

    path: str
    written: int  # lines
    dropped: int  # lines that the queue had no room for, or that were left when the sink closed
    failed: int  # writes that the system refused
    stalled: bool
    error: str | None  # the last one, None once a write has succeeded again


class Sink:
    """Raises OSError if `path` cannot be opened."""

    def __init__(self, path: str, queue_bytes: int = QUEUE_BYTES) -> None:
        self.path = path
        self._queue_bytes = queue_bytes
        self._standard = STANDARD_STREAMS.get(path)
        self._fd = open_file(path) if self._standard is None else self._standard
        self._turn = Turn(self._fd)
        # Shared with the writer thread, under the condition's lock:
        self._changed = threading.Condition()
        self._queue: list[bytes] = []
        self._waiting: list[Done] = []
        self._queued = 0  # bytes, with those being written
        self._reopening = self._closing = False
        self._written = self._dropped = self._failed = 0
        self._busy_since: float | None = None
        self._error: str | None = None
        self._in_flight: list[Done] = []  # of the batch being written; the writer thread's own
        self._thread = threading.Thread(target=self._run, name=f"log {path}", daemon=True)
        self._thread.start()

    def put(self, lines: Sequence[bytes], done: Done | None = None) -> bool:
        """Queue whole lines; the writer thread calls `done` when they are written or a write has failed.

        False, and `done` is never called, if there was no room.
        """
        data = b"".join(lines)
        with self._changed:
            # A single entry larger than the queue still goes through an empty one.
            if self._closing or (self._queued and self._queued + len(data) > self._queue_bytes):
                self._dropped += len(lines)
                return False
            self._queue.append(data)
            self._queued += len(data)
            if done:
                self._waiting.append(done)
            self._changed.notify()
        return True

    @property
    def stalled(self) -> bool:
        since = self._busy_since
        return since is not None and (self._error is not None or time.monotonic() - since > STALL_SECONDS)

    def status(self) -> SinkStatus:
        with self._changed:
            return SinkStatus(
                path=self.path,
                written=self._written,
                dropped=self._dropped,
                failed=self._failed,
                stalled=self.stalled,
                error=self._error,
            )

    def reopen(self) -> None:
        """Open the path anew (logrotate has moved the file away); what is queued is kept."""
        with self._changed:
            self._reopening = self._standard is None
            self._changed.notify()

    def close(self) -> None:
        """Write what is queued, then end; returns at once. What a failing sink cannot take is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._reopening or self._closing)
                batch, self._queue = b"".join(self._queue), []
                self._in_flight, self._waiting = self._waiting, []
                self._busy_since = time.monotonic() if batch else None
                ending = self._closing and not batch
            self._open_anew()
            if batch:
                self._write(batch)
            if ending:
                break
        if self._standard is None:
            os.close(self._fd)

    def _write(self, batch: bytes) -> None:
        start = 0
        while start < len(batch):
            self._turn.take()
            try:
                while start < len(batch):
                    start += taken(self._fd, memoryview(batch)[start:])
            except OSError as error:
                amid = start > 0 and batch[start - 1 : start] != b"\n"
                if not amid:  # else a pipe keeps the line's beginning, and nothing but its rest may follow
                    self._turn.give_up()
                if not self._wait_to_retry(error):
                    break
                if self._open_anew() or (amid and self._standard is None and not is_last(self._fd)):
                    # The rest of a line belongs behind its beginning and nowhere else: the line is written whole.
                    start = batch.rfind(b"\n", 0, start) + 1
        self._turn.give_up()
        lost = batch.count(b"\n", start)
        with self._changed:
            self._dropped += lost
            self._written += batch.count(b"\n") - lost
            self._queued -= len(batch)
            self._busy_since = None
            if start == len(batch):
                self._error = None
        self._release()

    def _wait_to_retry(self, error: OSError) -> bool:
        """Whether to try again: not when the sink is being closed."""
        with self._changed:
            self._failed += 1
            self._error = error.strerror or str(error)
            self._in_flight += self._waiting  # nobody waits for a second attempt
            self._waiting = []
        self._release()
        with self._changed:
            self._changed.wait_for(lambda: self._reopening or self._closing, RETRY_SECONDS)
            return not self._closing

    def _open_anew(self) -> bool:
        with self._changed:
            asked, self._reopening = self._reopening, False
        if not asked or is_at(self.path, self._fd):  # to close another descriptor of a pipe would end its turn
            return False
        try:
            fd = open_file(self.path)
        except OSError as error:  # the old file is better than none
            with self._changed:
                self._failed += 1
                self._error = error.strerror or str(error)
            return False
        self._turn.give_up()
        os.close(self._fd)
        self._fd, self._turn = fd, Turn(fd)
        return True

    def _release(self) -> None:
        released, self._in_flight = self._in_flight, []
        for done in released:
            done()
