"""What llhttp finds in a client's bytes: one request after the other, each with a task that answers it.

Spec: RFC 9112.
"""

import asyncio
import re
from typing import Any, Protocol

import httptools

from coderai.wire.carrier import SiteLimits
from coderai.wire.head import Head, Remembered
from coderai.wire.headers import Headers, tokens
from coderai.wire.lifetime import ConnectionLifetime
from coderai.wire.request import Request

# What nginx and others call large; a coding tool's own fields stay under 8 kB.
FIELD_LIMIT = 64 * 1024


class FieldTooLarge(ValueError):
    """A header field over FIELD_LIMIT."""


class Site(SiteLimits, Protocol):
    """What a connection needs to know of the server it belongs to."""

    def serves(self, path: bytes) -> bool:
        """Whether `handle` serves this raw path; every other request is handed over."""

    async def handle(self, request: Request) -> None: ...

    def successor(self) -> asyncio.Protocol:
        """The protocol that takes a connection over, whose request `handle` does not serve."""

    def joined(self, connection: ConnectionLifetime) -> None: ...
    def left(self, connection: ConnectionLifetime) -> None: ...


class RequestParser(ConnectionLifetime):
    """The callbacks of a ClientConnection's parser, and where its requests begin and end; inbound.py feeds it."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self._parser: Any = httptools.HttpRequestParser(self)
        self._last: Remembered | None = None  # the head of the last request
        self._target = b""
        self._fields: Headers = []
        self._overhead = 0  # bytes that came since the last byte of a body
        self._upgrading = False  # a body follows a head that asked for another protocol
        self._handed_over = False

    def on_message_begin(self) -> None:
        if self._handed_over:  # this one is the successor's, too
            return
        if self._upgrading:  # the same message again
            self._upgrading = False
            return
        if self.request is not None:
            raise ValueError("a request before the last one was answered")
        self._target = b""
        self._fields = []
        self._receiving = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.request is not None:
            return  # a trailer: nothing that was not in the head is a field of the request (RFC 9110, section 6.5.1)
        if len(name) + len(value) > FIELD_LIMIT:
            raise FieldTooLarge
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.request is not None or self._handed_over:
            return
        parser = self._parser
        self.keep_alive = parser.should_keep_alive()
        self.http10 = parser.get_http_version() != "1.1"
        if self.http10 and b"close" in tokens(self._fields, b"connection"):  # and keep-alive, which the parser believes
            self.keep_alive = False
        self._target = _AUTHORITY.sub(b"", self._target, count=1)  # as a proxy is asked (RFC 9112, section 3.2.2)
        if not self._target.startswith(b"/"):
            raise ValueError("a request target that is no path")
        if not self.site.serves(self._target.partition(b"?")[0]):
            self._handed_over = True
            return
        self._upgrading = parser.should_upgrade()
        head = Head(parser.get_method().decode("ascii"), self._target, self._fields)
        whole = self.keep_alive and not self.http10
        self._last = Remembered.of(head, b"".join(self._head_data or ())) if whole else None
        length = next((int(value) for name, value in self._fields if name.lower() == b"content-length"), None)
        self._begin(head, length)

    def _begin(self, head: Head, length: int | None) -> None:
        self._head_data = None
        self._overhead = 0
        self.request = request = Request(self, head, length)
        self._task = self.loop.create_task(self.site.handle(request))

    def on_body(self, data: bytes) -> None:
        self._overhead = 0
        if self.request is not None:
            self.request.receive(data)

    def on_message_complete(self) -> None:
        if self.request is None or self._upgrading:
            return
        self._receiving = False
        self.request.received()
        if self._task is None:  # answered before its body had come, and so not kept alive
            self._close()

    def finished(self) -> None:
        """The answer is out: on to the next request."""
        if self.request is not None:
            self.request.forget()
        self._task = None  # what the handler still does is its own: a client that goes now is no loss
        if not self.keep_alive or self.site.stopping:
            return self._close()
        # One that is kept open has read its request to the end: `Request.respond` sees to that.
        self.request = None
        self._head_data = []
        self._overhead = 0
        self.since = self.loop.time()
        if self.stalled:
            self._wait()


_AUTHORITY = re.compile(rb"^https?://[^/?#]*(?=/)", re.IGNORECASE)
