"""The client's side: requests in, answers out, over one asyncio transport.

A connection serves one request at a time. The handler's task starts when the head is there, so that it can
refuse before a body is read; `await request.body()` then gives the whole body, its bytes as sent. When the
client goes away, the handler's task is cancelled, and `request.gone` says why.

Requests of paths that the gateway does not serve itself (health, audit API) are handed over, connection and
all, to another asyncio protocol. Spec: RFC 9112.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Protocol, cast

import httptools

from coderai.wire.headers import Headers, block
from coderai.wire.request import Limits, Request

# What nginx and others call large; a coding tool's own fields stay under 8 kB.
FIELD_LIMIT = 64 * 1024
# All fields together: a head that is larger than this is no request of a tool.
HEAD_LIMIT = 256 * 1024

# Longer than the pools of common clients keep a connection, so that it is they who close it.
IDLE_LIMIT_S = 300.0
# A head that has not come by then is no tool's.
HEAD_LIMIT_S = 60.0
# A body that stands still for so long does not come any more.
BODY_PAUSE_S = 120.0


class Site(Limits, Protocol):
    """What a connection needs to know of the server it belongs to."""

    def serves(self, path: bytes) -> bool:
        """Whether `handle` serves this raw path; every other request is handed over."""

    async def handle(self, request: Request) -> None: ...

    def successor(self) -> asyncio.Protocol:
        """The protocol that takes a connection over, whose request `handle` does not serve."""

    def joined(self, connection: "ClientConnection") -> None: ...
    def left(self, connection: "ClientConnection") -> None: ...


class ClientConnection(asyncio.Protocol):
    """One client's connection. See Request for what it carries."""

    transport: asyncio.Transport

    def __init__(self, site: Site) -> None:
        self.site = site
        self.keep_alive = True
        self.http10 = False
        self.request: Request | None = None
        self.loop = asyncio.get_running_loop()  # kept: asking for it again costs a system call (getpid) each time
        self.since = self.heard = self.loop.time()  # of the last request's end; of the last byte
        self._parser: Any = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None] | None = None
        self._head: list[bytes] | None = []  # the bytes of a head that is not complete yet
        self._target = b""
        self._fields: Headers = []
        self._receiving = False  # a message has begun and has not been parsed to its end
        self._handed_over = False
        self._broken = False

    @property
    def idle(self) -> bool:
        return self.request is None

    def overdue(self, now: float) -> bool:
        """Whether it has been waiting for its client longer than a client takes."""
        if self.request is not None:
            return self._receiving and now - self.heard > BODY_PAUSE_S
        return now - self.since > (HEAD_LIMIT_S if self._head else IDLE_LIMIT_S)

    # -- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.site.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        self.heard = self.loop.time()
        if self._head is not None:
            if sum(map(len, self._head)) > HEAD_LIMIT:
                return self._refuse(431)
            self._head.append(data)  # may hold the beginning of a body as well
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # not switched to: what follows is HTTP/1.1 as before
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self.data_received(rest)
        except httptools.HttpParserCallbackError as error:
            self._refuse(431 if isinstance(error.__context__, _FieldTooLarge) else 400)
        except httptools.HttpParserError:
            self._refuse(400)
        if self._handed_over:
            self._hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = True
        self.site.left(self)
        if self.request is not None:
            self.request.forget()
            self.request.gone = True
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        if self.request is not None and self.request.flow is not None:
            self.request.flow.pause()

    def resume_writing(self) -> None:
        if self.request is not None and self.request.flow is not None:
            self.request.flow.resume()

    # -- parser

    def on_message_begin(self) -> None:
        self._target = b""
        self._fields = []
        self._receiving = True
        if self.request is not None:
            # A request sent before the last one was answered: not served, the client asks again elsewhere
            # (RFC 9112, section 9.3.2 lets a server close after any answer).
            self.keep_alive = False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) + len(value) > FIELD_LIMIT:
            raise _FieldTooLarge
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.request is not None:
            return
        parser = self._parser
        self.keep_alive = parser.should_keep_alive()
        self.http10 = parser.get_http_version() == "1.0"
        if not self._target.startswith(b"/"):
            raise ValueError("a request target that is no path")
        if not self.site.serves(self._target.partition(b"?")[0]):
            self._handed_over = True
            return
        self._head = None
        self.request = request = Request(self, parser.get_method(), self._target, self._fields)
        self._task = self.loop.create_task(self.site.handle(request))

    def on_body(self, data: bytes) -> None:
        if self.request is not None and self._fields is self.request.headers:
            self.request.receive(data)

    def on_message_complete(self) -> None:
        self._receiving = False
        request = self.request
        if request is not None and self._fields is request.headers:
            request.received()
            if self._task is None:
                self._next()

    # -- ends

    def finished(self) -> None:
        """The answer is out: on to the next request, once this one's body has been read to its end."""
        if self.request is not None:
            self.request.forget()
            self.request.flow = None
        self._task = None  # what the handler still does is its own: a client that goes now is no loss
        if not self.keep_alive:
            self._close()
        elif not self._receiving:
            self._next()

    def _next(self) -> None:
        self.request = None
        self._head = []
        self.since = self.loop.time()

    def cut(self) -> None:
        """Ends the connection amid an answer; what was written goes out, the answer's end does not."""
        if self.request is not None:
            self.request.forget()
        self._task = None
        self._broken = True
        if self.http10:
            self.transport.abort()  # the end of the connection would be the end of the body
        else:
            self.transport.close()

    def stop(self) -> None:
        """Ends the connection at once; the handler, cancelled, finds its client not gone."""
        if self._task is not None:
            self._task.cancel()
        else:
            self.transport.close()

    def _close(self) -> None:
        self._broken = True
        self.transport.close()

    def _refuse(self, status: int) -> None:
        """What cannot be parsed gets a plain answer, as no provider's shape is known yet."""
        self._broken = True
        if self._task is not None:
            self._task.cancel()
        if self.request is None or not self.request.answered:
            phrase = HTTPStatus(status).phrase
            body = b'{"message":"%b"}\n' % phrase.encode()
            fields = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
            head = b"HTTP/1.1 %d %b\r\n%bConnection: close\r\n\r\n" % (status, phrase.encode(), block(fields))
            self.transport.write(head + body)
        self.transport.close()

    def _hand_over(self) -> None:
        data = b"".join(self._head or ())
        self._broken = True
        self.site.left(self)
        successor = self.site.successor()
        self.transport.set_protocol(successor)
        successor.connection_made(self.transport)
        successor.data_received(data)


class _FieldTooLarge(ValueError):
    """A header field over FIELD_LIMIT."""
