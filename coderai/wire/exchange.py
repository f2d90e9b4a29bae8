"""One exchange with a provider over one of its connections: a request out, an answer in.

`Answer.pipe(sink)` hands the body over as it arrives, one call for each read from the socket, until exactly one
of `sink.end` and `sink.lost`. Spec: RFC 9112.
"""

import asyncio
from typing import Any, Protocol, cast

import httptools

from coderai.wire.headers import Headers, Named, named
from coderai.wire.origin import Origin

# All fields of an answer's head together, as for requests.
HEAD_LIMIT = 256 * 1024
# What may wait for a sink before reading stops.
BACKLOG_LIMIT = 256 * 1024


class Sink(Protocol):
    """Where an answer's body goes."""

    def data(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def lost(self) -> None:
        """The connection broke before the body's end."""


class Pool(Protocol):
    """Where connections come from and go back to."""

    loop: asyncio.AbstractEventLoop

    def release(self, connection: "Connection") -> None:
        """It has served its exchange and can serve another."""

    def forget(self, connection: "Connection") -> None:
        """It serves no more."""


class Answer:
    """A provider's answer: its head, and its body once it is piped."""

    def __init__(self, connection: "Connection", status: int, reason: bytes, headers: Headers, fields: Named) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.fields = fields
        self._connection = connection
        self._sink: Sink | None = None
        self._backlog: list[bytes] = []
        self._waiting = 0
        self._over: bool | None = None  # True: came to its end; False: broke off
        self._paused = False
        self.timed_out = False  # broke off because the provider was silent for too long

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def complete(self) -> bool:
        """Whether all of it has come."""
        return self._over is True

    def pipe(self, sink: Sink) -> None:
        """From here on what arrives goes to `sink`, first what has come already."""
        self._sink = sink
        self.resume()  # before the sink gets any, which may pause it again
        if self._backlog:
            sink.data(b"".join(self._backlog))
            self._backlog.clear()
        if self._over is not None:
            self._tell(sink)

    def _tell(self, sink: Sink) -> None:
        self._sink = None  # a sink knows its answer: without this the two would wait for the garbage collector
        if self._over:
            sink.end()
        else:
            sink.lost()

    def received(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.data(data)
            return
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
        """The provider is not read until `resume`."""
        if self._over is None and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        if self._over is None and self._paused:
            self._paused = False
            self._connection.transport.resume_reading()

    def abandon(self) -> None:
        """Closes the connection at once, where the body has not come to its end."""
        if self._over is None:
            self._over = False
            self._connection.abandon()


class Lost(Exception):
    """The connection ended before an answer's head."""


class Connection(asyncio.Protocol):
    """One connection to a provider: one exchange at a time."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self.idle_since = 0.0
        self.closed = False
        self._parser: Any = None
        self._head: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._reason = b""
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self._complete = False
        self._until_close = False
        self._keep_alive = False
        self.expired = False  # given up because the provider was silent
        self._heard = False  # a byte of the answer has come
        self._lately = False  # a byte has come since somebody looked
        self._silent_since = 0.0
        self._unsent = 0  # bytes of the request, when somebody looked
        self._head_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    async def exchange(self, request: list[bytes]) -> Answer:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = None
        self._reason, self._headers = b"", []
        self._complete = self._until_close = self._heard = False
        self._head_size = 0
        self._lately = True  # the time that counts begins now
        head: asyncio.Future[Answer] = self._pool.loop.create_future()
        self._head = head
        self.transport.writelines(request)
        try:
            return await head
        except asyncio.CancelledError:
            if self._head is head:  # else its answer has come already, and it serves another
                self.abandon()
            raise

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # what nobody asked for
            return self.abandon()
        self._heard = self._lately = True
        broken = False
        if self._answer is None:
            self._head_size += len(data)
            broken = self._head_size > HEAD_LIMIT
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            broken = True
        if self._parts:
            parts = self._parts
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            if self._answer is not None:
                self._answer.received(body)
        if self._complete:
            self._keep_alive = self._keep_alive and not broken  # what is broken came after the answer's end
            self._finish()
        elif broken:
            self._break()

    # -- parser

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep_alive = False  # a second answer, which nobody asked for

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is None:  # later ones are trailers, which are hop-by-hop here
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._reason, self._headers = b"", []  # interim: the answer proper follows (RFC 9110, 15.2)
            return
        if self._answer is not None or status == 101:
            raise ValueError("an answer that nobody asked for")
        headers = self._headers
        self._keep_alive = self._parser.should_keep_alive()
        fields = named(headers)
        chunked = b"chunked" in fields.get(b"transfer-encoding", b"").lower()
        self._until_close = not chunked and b"content-length" not in fields
        self._answer = Answer(self, status, self._reason, headers, fields)
        if self._head is not None and not self._head.done():
            self._head.set_result(self._answer)

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self._complete = self._answer is not None

    # -- ends

    def _finish(self) -> None:
        answer = self._answer
        self._parser = self._answer = self._head = None
        # an answer that came before all of its request had been sent: who reads on, and how far, nobody can tell
        keep = self._keep_alive and not self.transport.is_closing() and not self.transport.get_write_buffer_size()
        if answer is not None:
            answer.over(whole=True)
        if keep:
            self._pool.release(self)
        else:
            self.abandon()

    def _break(self) -> None:
        self.abandon()
        if self._head is not None and not self._head.done():
            self._head.set_exception(Lost())
        if self._answer is not None:
            answer, self._answer = self._answer, None
            answer.over(whole=False)

    def eof_received(self) -> None:
        if self._answer is not None and self._until_close and not self.transport.is_closing():
            self._finish()

    def silent_s(self, now: float) -> float:
        """For how long the provider has been silent that should be speaking, or reading; seconds."""
        answer = self._answer
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        reading = self._unsent < unsent
        if self._lately or reading or self._parser is None or (answer is not None and answer.paused):
            self._lately = False
            self._silent_since = now
        return now - self._silent_since

    def expire(self) -> None:
        """Gives it up: the provider has been silent for too long."""
        self.expired = True
        if self._answer is not None:
            self._answer.timed_out = True
        self._break()

    def connection_lost(self, exc: Exception | None) -> None:
        self._break()
        self._head = None  # it knows its answer, and that this connection

    def abandon(self) -> None:
        self.closed = True
        self._parser = None
        self._pool.forget(self)
        self.transport.abort()

    @property
    def unheard(self) -> bool:
        return not self._heard
