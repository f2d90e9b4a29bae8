"""A request's head, and a connection's memory of the last one.

The coding tools send the same head with every request of a connection, but for the length of the body (seen of Claude
Code, Codex and OpenCode). Known again byte for byte it is not parsed again, and what was worked out from it (`once`)
holds: whose token it is, which client, what of it goes upstream.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from coderai.wire.headers import Headers, named

T = TypeVar("T")


class Head:
    """Request line and fields, without Content-Length, which each request has its own. Never changed."""

    def __init__(self, method: str, target: bytes, headers: Headers) -> None:
        self.method = method
        self.target = target  # raw: path and query as sent
        self.path, _, self.query = target.partition(b"?")
        self.headers = [field for field in headers if field[0].lower() != b"content-length"]
        self.fields = named(self.headers)
        self._known: dict[Any, Any] = {}

    def header(self, name: str) -> str | None:
        """The first field of that (lower-case) name."""
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def once(self, work: Callable[["Head"], T]) -> T:
        """What `work` makes of the head, worked out the first time; it must depend on the head alone."""
        try:
            known: T = self._known[work]
        except KeyError:
            known = self._known[work] = work(self)
        return known


# The value, where the field is there; more digits than any body has are none.
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})(?=\r\n)", re.IGNORECASE)
_DIGITS = 15


class Remembered(NamedTuple):
    """A head with the bytes that it came in, cut at the value of Content-Length."""

    head: Head
    before: bytes
    after: bytes

    @classmethod
    def of(cls, head: Head, raw: bytes) -> "Remembered | None":
        """raw: begins with the head; None where it is not plain enough to be known again."""
        end = raw.find(b"\r\n\r\n") + 4
        line = b"%b %b HTTP/1.1\r\n" % (head.method.encode(), head.target)
        lengths = list(_LENGTH.finditer(raw, 0, end))
        odd = b"transfer-encoding" in head.fields or b"expect" in head.fields or b"upgrade" in head.fields
        if odd or len(lengths) != 1 or not raw.startswith(line):
            return None
        start, stop = lengths[0].span(1)
        return cls(head, raw[:start], raw[stop:end])

    def begins(self, data: bytes) -> tuple[int, int] | None:
        """Whether these bytes begin with the same head: the length of the body, and where it begins."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        stop = data.find(b"\r", start, start + _DIGITS + 1)
        digits = data[start:stop]
        if stop < 0 or not digits.isdigit() or not data.startswith(self.after, stop):
            return None
        return int(digits), stop + len(self.after)
