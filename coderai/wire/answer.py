"""A provider's answer: its head, and its body as it arrives.

`Answer.pipe(sink)` hands the body over, one call for each read from the socket (but for those that `Sink.data` lets
pass it by), until exactly one of `sink.end` and `sink.lost`.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from coderai.wire.headers import Headers, Named
from coderai.wire.reads import Bypass

# What may wait for a sink before reading stops.
BACKLOG_LIMIT = 256 * 1024


class Sink(Protocol):
    """Where an answer's body goes."""

    def data(self, data: bytes, framed: bytes = b"") -> Bypass | None:
        """framed: the same as it came, where that is one whole chunk. Returns a shortcut for later chunks, which holds
        until one does not qualify.
        """

    def end(self) -> None: ...
    def lost(self) -> None:
        """The connection broke before the body's end."""


class Source(Protocol):
    """The connection that an answer comes on."""

    tcp: asyncio.Transport  # what reads it, below TLS where there is TLS

    def abandon(self) -> None:
        """Serves nothing more."""


class Answer(Protocol):
    """A provider's answer: its head, and its body once it is piped."""

    status: int
    reason: bytes
    headers: Headers
    fields: Named
    timed_out: bool  # broke off because the provider was silent for too long

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""

    def pipe(self, sink: Sink) -> None:
        """From here on what arrives goes to `sink`, first what has come already."""

    def pause(self) -> None:
        """The provider is not read until `resume`."""

    def resume(self) -> None: ...
    def abandon(self) -> None:
        """Closes the connection at once, where the body has not come to its end."""


class ReceivedAnswer:
    """An Answer as it comes over a connection."""

    def __init__(self, connection: Source, status: int, reason: bytes, headers: Headers, fields: Named) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.fields = fields
        self.take: Callable[[bytes, bytes], Bypass | None] = self._keep  # what arrives, see Sink.data
        self._connection = connection
        self._sink: Sink | None = None
        self._backlog: list[bytes] = []
        self._waiting = 0
        self._over: bool | None = None  # True: came to its end; False: broke off
        self.paused = False
        self.timed_out = False

    @property
    def complete(self) -> bool:
        return self._over is True

    def pipe(self, sink: Sink) -> None:
        self._sink = sink
        self.resume()  # before the sink gets any, which may pause it again
        if self._backlog:
            sink.data(b"".join(self._backlog))
            self._backlog.clear()
        self.take = sink.data
        if self._over is not None:
            self._tell(sink)

    def _tell(self, sink: Sink) -> None:
        # a sink knows its answer: without this the two would wait for the garbage collector
        self._sink, self.take = None, _ignore
        if self._over:
            sink.end()
        else:
            sink.lost()

    def _keep(self, data: bytes, framed: bytes) -> None:
        self._backlog.append(data)
        self._waiting += len(data)
        if self._waiting > BACKLOG_LIMIT:
            self.pause()

    def over(self, whole: bool) -> None:
        if whole:
            self.resume()  # paused by its last bytes, the connection has to be read again for its next answer
        self._over = whole
        if self._sink is not None:
            self._tell(self._sink)

    def pause(self) -> None:
        if self._over is None and not self.paused:
            self.paused = True
            self._connection.tcp.pause_reading()

    def resume(self) -> None:
        if self._over is None and self.paused:
            self.paused = False
            self._connection.tcp.resume_reading()

    def abandon(self) -> None:
        if self._over is None:
            self._over = False
            self._connection.abandon()


def _ignore(data: bytes, framed: bytes) -> None:
    """After the end."""
