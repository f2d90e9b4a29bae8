"""Server-sent events as raw bytes: where they end, and what data they carry. Sans-I/O, linear in time.

An event is the lines up to and with its blank line; lines end in LF, CRLF or CR.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re

# A line's end followed by a blank line's end; CR LF counts as one end.
boundary = re.compile(rb"\n\r?\n|\r\n\r\n|\r\r\n?")
_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


def last_boundary(data: bytes) -> int:
    """Where the last complete event ends; 0 if none does."""
    if data.endswith(b"\n\n"):
        return len(data)
    return max(at + len(end) if (at := data.rfind(end)) >= 0 else 0 for end in _ENDS)


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The complete events, each with its blank line, and the rest."""
    events = []
    at = 0
    for end in boundary.finditer(data):
        events.append(data[at : end.end()])
        at = end.end()
    return events, data[at:]


def payload(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; None if it has none (a comment, a bare `event:`)."""
    lines = [line[5:] for line in _LINE.split(event) if line.startswith(b"data:")]
    if not lines:
        return None
    return b"\n".join([line[1:] if line.startswith(b" ") else line for line in lines])
