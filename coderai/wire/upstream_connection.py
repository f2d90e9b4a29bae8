"""A connection to a provider, and the exchanges over it, one at a time: a request out, an answer in.

What comes of an answer is found by answer_parser.py, upon which it is built. Spec: RFC 9112.
"""

import asyncio
import ssl
from typing import Protocol, cast

from coderai.wire import chunked
from coderai.wire.answer import ReceivedAnswer
from coderai.wire.answer_parser import AnswerParser
from coderai.wire.origin import Origin
from coderai.wire.reads import Reads

# Bytes of one read, behind which the loop looks at its other sockets first. Where a provider sends as fast as it is
# read (a cache, a model nearby), libuv reads up to 32 times a turn, 256 kB each: 8 MB of events, a third of a second.
LARGE_READ = 128 * 1024


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


class UpstreamConnection(AnswerParser):
    """Paused is `tcp`: if what is above it were, TLS would read on, and lose what it holds at the connection's end."""

    transport: asyncio.Transport  # TLS over `tcp`, or `tcp` itself

    def __init__(self, pool: Pool, origin: Origin) -> None:
        super().__init__()
        self._pool = pool
        self.origin = origin
        self.idle_since = 0.0  # by the loop's clock
        self.closed = False
        self.expired = False  # given up because the provider was silent
        self.malformed = False  # given up because what came is no HTTP
        self._lately = False  # a byte has come since somebody looked
        self._silent_since = 0.0  # by the loop's clock
        self._unsent = 0  # bytes of the request, when somebody looked

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
        head: asyncio.Future[ReceivedAnswer] = self._pool.loop.create_future()
        self._expect(head)
        self._lately = True  # the time that counts begins now
        self.transport.writelines(request)
        try:
            return await head
        except asyncio.CancelledError:
            if self._answer_head is head:  # else its answer has come already, and it serves another
                self.abandon()
            raise

    def data_received(self, data: bytes) -> None:
        if len(data) >= LARGE_READ:
            self.rest()
            self._pool.loop.call_soon(self.wake)
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
        self._lately = True
        sound = self._feed(data)
        if self._complete:
            self._keep_alive = self._keep_alive and sound  # what is not came after the answer's end
            self._finish()
        elif not sound:
            self.malformed = True
            self.break_off()

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
