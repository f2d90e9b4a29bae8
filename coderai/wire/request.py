"""One request of a client, and the way back to it.

`await request.body()` gives the whole body, its bytes as sent; `respond`, `write` and `end` send the answer, in
the framing that the client's version of HTTP and the answer's headers ask for. Spec: RFC 9112.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from coderai.wire import chunked
from coderai.wire.carrier import Carrier
from coderai.wire.head import Head
from coderai.wire.headers import Headers, block, tokens
from coderai.wire.request_body import BodyTooLarge, RequestBody

# Statuses whose answers have no body (RFC 9110, section 6.4.1).
NO_BODY = frozenset((204, 304))


class Flow(Protocol):
    """Where a request's answer comes from: held back while the client does not read."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class Request:
    """One request, and the way back to its client."""

    def __init__(self, connection: Carrier, head: Head, length: int | None) -> None:
        """length: of the body, where the request tells."""
        self.head = head
        self.status: int | None = None  # of the answer, once its head is on its way
        self.flow: Flow | None = None
        self.gone = False  # the client has hung up
        self.loop = connection.loop
        self._connection = connection
        self._length = length
        self._incoming = RequestBody(connection.site, connection.loop)
        self._unsent_head: bytes | None = None  # of the answer
        self._chunked = False

    # -- the request's body

    async def body(self) -> bytes:
        """The whole body; raises BodyTooLarge or NoRoomForBody."""
        incoming = self._incoming
        if not incoming.complete and incoming.refusal is None:
            if self._length is not None and self._length > self._connection.site.max_body:
                raise BodyTooLarge
            if self._expects_continue():
                self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await incoming.whole()

    def _expects_continue(self) -> bool:
        """RFC 9110, section 10.1.1"""
        if b"expect" not in self.head.fields or self._connection.http10:
            return False
        return b"100-continue" in tokens(self.head.headers, b"expect")

    def receive(self, data: bytes) -> None:
        """What comes behind the answer is read and thrown away, so that the client gets to read the answer."""
        if not self.answered:
            self._incoming.receive(data)

    def received(self) -> None:
        self._incoming.received()

    def forget(self) -> None:
        """Gives the body's room back, and lets go of the answer's flow."""
        self.flow = None
        self._incoming.forget()

    # -- the way back

    @property
    def stalled(self) -> bool:
        """Whether the client does not read what is written."""
        return self._connection.stalled

    @property
    def answered(self) -> bool:
        """Whether the answer's head has been given."""
        return self.status is not None

    def respond(self, status: int, reason: bytes, headers: Headers, *, sized: bool) -> None:
        """Gives the head; it goes out with the first bytes of the body, or at `flush`.

        sized: `headers` hold Content-Length; else the body is chunked.
        """
        self.status = status
        connection = self._connection
        framing = b""
        if status in NO_BODY:
            pass
        elif not sized:
            if connection.http10:
                connection.keep_alive = False
            else:
                self._chunked = True
                framing = b"Transfer-Encoding: chunked\r\n"
        # The rest of a body, if it comes at all, would stand before the next request.
        if connection.site.stopping or not self._incoming.complete:
            connection.keep_alive = False
        if not connection.keep_alive:
            framing += b"Connection: close\r\n"
        elif connection.http10:
            framing += b"Connection: keep-alive\r\n"
        self._unsent_head = b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (status, reason, block(headers), framing)

    def recall(self) -> bool:
        """Takes the answer back; whether that could be done: not if any of it has gone out."""
        if self._unsent_head is None:
            return False
        self.status = self._unsent_head = None
        self._chunked = False
        return True

    def flush(self) -> None:
        """Sends the head by itself: a stream's client sees its status before the first event."""
        if self._unsent_head is not None:
            self._connection.send(self._unsent_head)
            self._unsent_head = None

    @property
    def chunk_sender(self) -> Callable[[bytes], None] | None:
        """Where whole chunks go as they are; None where the client gets no chunks, or has not got the head yet."""
        return self._connection.send if self._chunked and self._unsent_head is None else None

    def write(self, data: bytes, framed: bytes = b"") -> None:
        """framed: the same as one chunk, where the provider has sent it so."""
        if self._chunked:
            data = framed or chunked.framed(data)
        if self._unsent_head is not None:
            data = self._unsent_head + data
            self._unsent_head = None
        self._connection.send(data)

    def end(self, data: bytes = b"") -> None:
        """The last bytes, and the end of the answer."""
        if self._chunked:
            data = chunked.framed(data) + chunked.LAST if data else chunked.LAST
        if self._unsent_head is not None:
            data = self._unsent_head + data
            self._unsent_head = None
        if data:
            self._connection.send(data)
        self._connection.finished()

    def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole answer of our own."""
        reason = HTTPStatus(status).phrase.encode()
        length = (b"Content-Length", b"%d" % len(body))
        self.respond(status, reason, [*headers, length], sized=True)
        self.end(b"" if self.head.method == "HEAD" else body)

    def cut(self) -> None:
        """Breaks the answer off so that no client can take it for whole."""
        self._connection.cut()
