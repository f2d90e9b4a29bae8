"""A connection to a provider, and the exchanges over it, one at a time: a request out, an answer in. Spec: RFC 9112."""

import asyncio
import ssl
from typing import Any, Protocol, cast

import httptools

from coderai.wire import chunked
from coderai.wire.answer import ReceivedAnswer
from coderai.wire.headers import HEAD_LIMIT, Headers, named
from coderai.wire.origin import Origin
from coderai.wire.reads import Bypass, Reads


class Pool(Protocol):
    """Where connections come from and go back to."""

    loop: asyncio.AbstractEventLoop
    reads: Reads

    def release(self, connection: "UpstreamConnection") -> None:
        """It has served its exchange and can serve another."""

    def forget(self, connection: "UpstreamConnection") -> None:
        """It serves no more."""


class Lost(Exception):
    """The connection ended before an answer's head."""


class UpstreamConnection(asyncio.Protocol):
    """`exchange` sets what is an exchange's anew: an object of its own for that would cost each request one more.

    It is `tcp` that is paused: paused above it, TLS would go on reading, and at the connection's end lose what it read.
    """

    tcp: asyncio.Transport
    transport: asyncio.Transport  # TLS over `tcp`, or `tcp` itself

    def __init__(self, pool: Pool, origin: Origin) -> None:
        # the connection's
        self._pool = pool
        self.origin = origin
        self.idle_since = 0.0  # by the loop's clock
        self.closed = False
        self.expired = False  # given up because the provider was silent
        self.malformed = False  # given up because what came is no HTTP
        self._lately = False  # a byte has come since somebody looked
        self._silent_since = 0.0  # by the loop's clock
        self._unsent = 0  # bytes of the request, when somebody looked
        # an exchange's; between two there is no parser, answer or head
        self._parser: Any = None
        self._answer_head: asyncio.Future[ReceivedAnswer] | None = None
        self._answer: ReceivedAnswer | None = None  # once its head has come
        self._reason = b""
        self._headers: Headers = []
        self._head_size = 0  # bytes that came until the head was whole
        self._heard = False  # a byte of the answer has come
        self._parts: list[bytes] = []  # of the body, from the bytes that are being parsed
        self.on_body = self._parts.append  # the parser's callback: called by itself, without a method between
        self._chunked = False
        self._between = False  # all that has come of a chunked body is whole chunks
        self.bypass: Bypass | None = None  # only amid a chunked body, behind a whole chunk
        self._complete = False
        self._until_close = False  # the body has no other end
        self._keep_alive = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.tcp = self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    async def secure(self, tls: ssl.SSLContext, host: str) -> None:
        """Speaks TLS from here on; raises OSError. When it fails, the connection is closed."""
        if self.tcp.is_closing():  # as of a sidecar with nobody behind it; uvloop would wait for the handshake
            raise ConnectionResetError
        try:
            secured = await self._pool.loop.start_tls(self.tcp, self, tls, server_hostname=host)
        except BaseException:
            self.tcp.abort()
            raise
        self.transport = cast(asyncio.Transport, secured)

    async def exchange(self, request: list[bytes]) -> ReceivedAnswer:
        """The answer once its head is there; raises Lost. Cancelled, it closes the connection."""
        self._parser = httptools.HttpResponseParser(self)
        self._answer = None
        self._reason, self._headers = b"", []
        self._complete = self._until_close = self._heard = self._chunked = self._between = False
        self.bypass = None
        self._head_size = 0
        self._lately = True  # the time that counts begins now
        head: asyncio.Future[ReceivedAnswer] = self._pool.loop.create_future()
        self._answer_head = head
        self.transport.writelines(request)
        try:
            return await head
        except asyncio.CancelledError:
            if self._answer_head is head:  # else its answer has come already, and it serves another
                self.abandon()
            raise

    def data_received(self, data: bytes) -> None:
        if self._between:  # amid a stream, one of many
            self._lately = True
            self._pool.reads.add(self, data)
        else:
            self._parse(data)

    def take(self, data: bytes) -> None:
        """A whole chunk is handed on with its framing; the parser, which stands between two, need not see it."""
        if self.closed:
            return
        if self._between and self._answer is not None and (begin := chunked.content_at(data)):
            self.bypass = self._answer.take(data[begin:-2], data)
        else:
            self.bypass = None
            self._parse(data)

    def _parse(self, data: bytes) -> None:
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
        self._between = False
        if self._parts:
            parts = self._parts
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            # Only behind a LF: else the next chunk's size may look like this one's end ("2\r\n12\r\n12\r\n").
            if self._chunked and not broken and data.endswith(b"\n\r\n"):
                self._between = data.endswith(chunked.framed(parts[-1]))
            parts.clear()
            if self._answer is not None:
                self._answer.take(body, b"")
        if self._complete:
            self._keep_alive = self._keep_alive and not broken  # what is broken came after the answer's end
            self._finish()
        elif broken:
            self.malformed = True
            self.break_off()

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
        if self._answer is not None or status < 200:  # 101, or what is no status (RFC 9110, section 15)
            raise ValueError("an answer that nobody asked for")
        headers = self._headers
        self._keep_alive = self._parser.should_keep_alive()
        fields = named(headers)
        self._chunked = chunked.in_chunks(headers, fields)
        self._until_close = not self._chunked and b"content-length" not in fields
        self._answer = ReceivedAnswer(self, status, self._reason, headers, fields)
        if self._answer_head is not None and not self._answer_head.done():
            self._answer_head.set_result(self._answer)

    def on_message_complete(self) -> None:
        self._complete = self._answer is not None

    # -- ends

    def _finish(self) -> None:
        answer = self._answer
        self._parser = self._answer = self._answer_head = None
        self._between = False
        # an answer that came before all of its request had been sent: who reads on, and how far, nobody can tell
        keep = self._keep_alive and not self.transport.is_closing() and not self.transport.get_write_buffer_size()
        if answer is not None:
            answer.over(whole=True)
        if keep:
            self._pool.release(self)
        else:
            self.abandon()

    def break_off(self) -> None:
        """Ends it and its answer, which is not whole."""
        self.abandon()
        if self._answer_head is not None and not self._answer_head.done():
            self._answer_head.set_exception(Lost())
        if self._answer is not None:
            answer, self._answer = self._answer, None
            answer.over(whole=False)

    def rest(self) -> None:
        self.tcp.pause_reading()

    def wake(self) -> None:
        if not self.closed and (self._answer is None or not self._answer.paused):
            self.tcp.resume_reading()

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
        self.break_off()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.reads.hand_on()
        self.break_off()
        self._answer_head = None  # it knows its answer, and that this connection

    def abandon(self) -> None:
        self.closed = True
        self.bypass = None
        self._parser = None
        self._pool.forget(self)
        self.transport.abort()

    @property
    def unheard(self) -> bool:
        return not self._heard
