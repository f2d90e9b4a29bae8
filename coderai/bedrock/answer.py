"""A Bedrock answer as Anthropic would have given it: a stream as server-sent events, an error in Anthropic's shape.

`translated(answer)` wraps an answer of `wire`; a whole one that is no error is returned as it came.
"""

import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from coderai.bedrock import errors
from coderai.bedrock.event_stream import BadFrame, Frame, Frames
from coderai.wire.answer import Answer, Sink
from coderai.wire.headers import named

EVENT_STREAM = b"application/vnd.amazon.eventstream"
# Errors are short; of a longer one the rest is not read.
LONGEST_ERROR = 64 * 1024
_REPLACED = (b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"connection")


class _Chunk(msgspec.Struct):
    bytes: str


class _Event(msgspec.Struct):
    type: Any = None


class _Reader(Protocol):
    def feed(self, data: bytes) -> Iterable[bytes]:
        """Raises BadFrame, after what could be read."""

    def end(self) -> bytes:
        """Raises BadFrame where the body was not whole."""


class Events:
    """From the event stream to server-sent events."""

    def __init__(self) -> None:
        self._frames = Frames()

    def feed(self, data: bytes) -> Iterable[bytes]:
        return map(_event, self._frames.feed(data))

    def end(self) -> bytes:
        if self._frames.amid:
            raise BadFrame("the stream ended amid a frame")
        return b""


class _Error:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._body = b""

    def feed(self, data: bytes) -> Iterable[bytes]:
        self._body = (self._body + data)[:LONGEST_ERROR]
        return ()

    def end(self) -> bytes:
        return errors.answered(self._answer.status, self._answer.headers, self._body)


def _event(frame: Frame) -> bytes:
    kind = frame.headers.get(":message-type", "event")
    if kind == "exception":
        return _sse("error", errors.streamed(frame.headers.get(":exception-type", ""), frame.payload))
    if kind == "error":
        why = msgspec.json.encode({"message": frame.headers.get(":error-message", "")})
        return _sse("error", errors.streamed(frame.headers.get(":error-code", ""), why))
    if frame.headers.get(":event-type") != "chunk":
        return b""
    try:
        data = b64decode(msgspec.json.decode(frame.payload, type=_Chunk).bytes, validate=True)
        name = _type(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BadFrame("a chunk holds no event") from None
    # without a name it is none of Anthropic's events, metrics of AWS by themselves, say
    return _sse(name, data) if isinstance(name, str) and name.isprintable() else b""


def _type(event: bytes) -> Any:
    """Raises ValueError or RecursionError for what is no JSON object."""
    try:
        return msgspec.json.decode(event, type=_Event).type
    except (msgspec.DecodeError, UnicodeDecodeError):  # of half a surrogate pair, which the standard library takes
        fields = json.loads(event)
    if not isinstance(fields, dict):
        raise ValueError("no object")
    return fields.get("type")


def _sse(name: str, data: bytes) -> bytes:
    if b"\n" in data or b"\r" in data:  # as white space only, in JSON
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


class _Translated:
    """An Answer, and itself the sink of the one that came."""

    def __init__(self, answer: Answer, content_type: bytes, reader: _Reader) -> None:
        self.status = answer.status
        self.reason = answer.reason
        self.headers = [(name, value) for name, value in answer.headers if name.lower() not in _REPLACED]
        self.headers.append((b"Content-Type", content_type))
        self.fields = named(self.headers)
        self.timed_out = False
        self._came = answer
        self._reader = reader
        self._to: Sink | None = None

    @property
    def complete(self) -> bool:
        return False  # what has come is not translated yet

    def pipe(self, sink: Sink) -> None:
        self._to = sink
        self._came.pipe(self)

    def data(self, data: bytes, framed: bytes = b"") -> None:
        if self._to is None:
            return
        out: list[bytes] = []
        damaged = False
        try:
            for piece in self._reader.feed(data):  # one by one: those before a fault count
                out.append(piece)
        except BadFrame:
            damaged = True
        if came := b"".join(out):
            self._to.data(came)
        if damaged:
            self._break()

    def end(self) -> None:
        if self._to is None:
            return
        try:
            out = self._reader.end()
        except BadFrame:
            return self._break()
        if out:
            self._to.data(out)
        sink, self._to = self._to, None
        sink.end()

    def lost(self) -> None:
        self.timed_out = self._came.timed_out
        self._break()

    def _break(self) -> None:
        """Exactly once: what comes after is not read."""
        sink, self._to = self._to, None
        self._came.abandon()
        if sink is not None:
            sink.lost()

    def pause(self) -> None:
        self._came.pause()

    def resume(self) -> None:
        self._came.resume()

    def abandon(self) -> None:
        self._came.abandon()


def translated(answer: Answer) -> Answer:
    if answer.status >= 400:
        return _Translated(answer, b"application/json", _Error(answer))
    if answer.fields.get(b"content-type", b"").lower().startswith(EVENT_STREAM):
        return _Translated(answer, b"text/event-stream; charset=utf-8", Events())
    return answer
