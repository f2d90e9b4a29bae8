"""What llhttp finds in a provider's bytes: the answer to one request. Spec: RFC 9112."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import httptools

from coderai.wire import chunked
from coderai.wire.answer import ReceivedAnswer
from coderai.wire.headers import HEAD_LIMIT, Headers, named
from coderai.wire.reads import Bypass


class AnswerParser(asyncio.Protocol, ABC):
    """The callbacks of an UpstreamConnection's parser, and what they have found; upstream_connection.py feeds it.

    `_expect` sets what is an exchange's anew: an object of its own for that would cost each request one more.
    """

    tcp: asyncio.Transport  # what reads the answer, below TLS where there is TLS

    def __init__(self) -> None:
        # an exchange's; between two there is no parser, answer or head
        self._parser: Any = None
        self._answer_head: asyncio.Future[ReceivedAnswer] | None = None
        self._answer: ReceivedAnswer | None = None  # once its head has come
        self._reason = b""
        self._headers: Headers = []
        self._head_size = 0  # bytes of the reads before the one that the head ends in
        self.heard = False  # a byte of the answer has come
        self._parts: list[bytes] = []  # of the body, from the bytes that are being parsed
        self.on_body = self._parts.append  # the parser's callback: called by itself, without a method between
        self._chunked = False
        self._between = False  # all that has come of a chunked body is whole chunks
        # Set by `take`, behind a whole chunk of a body; gone with whatever else comes, and with the connection.
        self.bypass: Bypass | None = None
        self._complete = False
        self._until_close = False  # the body has no other end
        self._keep_alive = False

    @abstractmethod
    def abandon(self) -> None:
        """Serves nothing more."""

    def _expect(self, head: asyncio.Future[ReceivedAnswer]) -> None:
        """An answer; `head` is done with it once its head is there."""
        self._parser = httptools.HttpResponseParser(self)
        self._answer_head = head
        self._answer = None
        self._reason, self._headers = b"", []
        self._complete = self._until_close = self.heard = self._chunked = self._between = False
        self.bypass = None
        self._head_size = 0

    def _feed(self, data: bytes) -> bool:
        """Hands on what it holds of a body. Whether all of it is part of an answer."""
        self.heard = True
        sound = True
        if self._answer is None:
            sound = self._head_size <= HEAD_LIMIT  # before these bytes: they may end it, and begin a long body
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            sound = False
        self._between = False
        if self._parts:
            parts = self._parts
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            # Only behind a LF: else the next chunk's size may look like this one's end ("2\r\n12\r\n12\r\n").
            if self._chunked and sound and data.endswith(b"\n\r\n"):
                self._between = data.endswith(chunked.framed(parts[-1]))
            parts.clear()
            if self._answer is not None:
                self._answer.take(body, b"")
        return sound

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
