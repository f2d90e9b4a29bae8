"""The client's side: requests in, answers out, over one asyncio transport.

A connection serves one request at a time. The handler's task starts when the head is there, so that it can
refuse before a body is read; `await request.body()` then gives the whole body, its bytes as sent. When the
client goes away, the handler's task is cancelled, and `request.gone` says why.

Requests of paths that the gateway does not serve itself (health, audit API) are handed over, connection and
all, to another asyncio protocol.

The connection is one object in three files, each built upon the one before: lifetime.py (back-pressure, deadlines,
ends), request_parser.py (what the parser finds: where requests begin and end), and here what comes from the transport.
Spec: RFC 9112.
"""

import asyncio
from http import HTTPStatus
from typing import cast

import httptools

from coderai.wire.head import Head
from coderai.wire.headers import HEAD_LIMIT, block
from coderai.wire.request_parser import FieldTooLarge, RequestParser, Site


class ClientConnection(RequestParser):
    """One client's connection. See Request for what it carries."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._left = 0  # bytes of a body that follows a head known again: the parser has not seen either

    # -- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.site.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self.heard = self.loop.time()
        if self._left:
            return self._receive(data)
        if self._last is not None and self._head_data == [] and (body := self._last.begins(data)) is not None:
            return self._again(self._last.head, *body, data)
        self._parse(data)

    def _again(self, head: Head, length: int, at: int, data: bytes) -> None:
        """A request whose head is that of the last one; its body begins in `data` at `at`."""
        self._left = length
        self._receiving = True
        self._begin(head, length)
        self._receive(data[at:])

    def _receive(self, data: bytes) -> None:
        """Of a body whose length is known, and what may come behind it."""
        assert self.request is not None
        data, surplus = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        self._left -= len(data)
        if data:
            self.request.receive(data)
        if not self._left:
            if surplus.strip(b"\r\n"):  # line ends behind a body mean nothing (RFC 9112, section 2.2)
                self._not_served()
            self.on_message_complete()

    def _not_served(self) -> None:
        """What came behind a whole request: the client asks again elsewhere (RFC 9112, section 9.3.2, lets a server
        close after any answer).
        """
        self._deaf = True
        self.keep_alive = False

    def _parse(self, data: bytes) -> None:
        if self._overhead > HEAD_LIMIT:
            return self._refuse(431)
        self._overhead += len(data)
        if self._head_data is not None:
            if not self._head_data:
                self.since = self.heard
            self._head_data.append(data)  # may hold the beginning of a body as well
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._handed_over:
                return self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self.request is not None and not self._receiving:
                self._not_served()
            elif not self._handed_over:
                self._refuse(431 if isinstance(error.__context__, FieldTooLarge) else 400)
        if self._handed_over:
            self._hand_over()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Goes on in HTTP/1.1 (RFC 9110, section 7.8): the parser has stopped at the head, whatever body it tells of.

        Java's HTTP client asks for h2c with every request.
        """
        assert self.request is not None
        framing = [field for field in self._fields if field[0].lower() in _FRAMING]
        self._parser = httptools.HttpRequestParser(self)
        self._parse(b"POST / HTTP/1.1\r\n%b\r\n" % block(framing))
        if rest:
            self.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = self._closing = True
        self.site.left(self)
        if self.request is not None:
            self.request.forget()
            self.request.gone = True
        if self._task is not None:
            self._task.cancel()
        # the parser and the request know this connection: without this they would wait for the garbage collector
        self._parser = self.request = None

    # -- ends

    def _refuse(self, status: int) -> None:
        """What cannot be parsed gets a plain answer, as no provider's shape is known yet."""
        self._deaf = True
        if self._task is not None:
            self._task.cancel()
        if self.request is None or not self.request.answered:
            phrase = HTTPStatus(status).phrase
            body = b'{"message":"%b"}\n' % phrase.encode()
            fields = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
            head = b"HTTP/1.1 %d %b\r\n%bConnection: close\r\n\r\n" % (status, phrase.encode(), block(fields))
            self.transport.write(head + body)
        self._close()

    def _hand_over(self) -> None:
        self._parser = None
        data = b"".join(self._head_data or ())
        self._deaf = True
        self.site.left(self)
        successor = self.site.successor()
        self.transport.set_protocol(successor)
        successor.connection_made(self.transport)
        successor.data_received(data)


# What tells where a request's body ends.
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
