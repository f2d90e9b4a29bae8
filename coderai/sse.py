"""Server-sent events as bytes: where they end, and what their data is. No I/O, no state, linear time.

A raw event is its bytes as they came, with the blank line (or lines) that ends it. Lines end in LF, CRLF or CR,
one kind a stream. Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from codecs import BOM_UTF8

# An event's end. A lone CR at the end of what has come so far may be half of a CRLF, and ends nothing.
boundary = re.compile(rb"(?:\r?\n){2,}|\r{2,}[\r\n]*")

# An event as nearly all are written, whose lines end in LF: one line of data, last of all.
_PLAIN = re.compile(rb"^(?:event:.*\n)?data: (.*)\n\n", re.MULTILINE)


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The complete raw events of `data`, and the rest that is none yet; joined they are `data` again."""
    end = _line_end(data)
    if end and 3 * end not in data:  # the usual case, without a regex
        *events, rest = data.split(2 * end)
        return [event + 2 * end for event in events], rest
    found: list[bytes] = []
    start = 0
    for match in boundary.finditer(data):
        found.append(data[start : match.end()])
        start = match.end()
    return found, data[start:]


def _line_end(data: bytes) -> bytes:
    """What all its lines end in; nothing where they differ."""
    returns = data.count(b"\r")
    if not returns:
        return b"\n"
    feeds = data.count(b"\n")
    if not feeds:
        return b"\r"
    return b"\r\n" if returns == data.count(b"\r\n") == feeds else b""


def last_boundary(data: bytes) -> int:
    """Where the last complete event of `data` ends, as an offset; 0 if none does. It is where `split` stops."""
    end = data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
    if b"\r" not in data:
        return end
    if (crlf := data.rfind(b"\n\r\n")) >= 0:
        end = max(end, crlf + 3)
    if (cr := data.rfind(b"\r\r")) >= 0:
        cr += 2
        while cr < len(data) and data[cr] in b"\r\n":
            cr += 1
        end = max(end, cr)
    return end


def first_boundary(data: bytes) -> int:
    """Where the first complete event of `data` ends, which has one."""
    found = boundary.search(data)
    assert found is not None
    return found.end()


def payload(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; None where it has no data line (a comment, a mere name)."""
    lines = []
    for line in event.removeprefix(BOM_UTF8).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value[1:] if value[:1] == b" " else value)
    return b"\n".join(lines) if lines else None


def payloads(data: bytes) -> list[bytes]:
    """The data of one event after the other, of the last even if it is not complete; faster than one by one."""
    if (end := _line_end(data)) == b"\r\n":
        data = data.replace(end, b"\n")
    lines = data.count(b"\ndata") + data.startswith(b"data")
    # a line behind a BOM would not be counted
    if end and lines == data.count(b"\n\n") and data.endswith(b"\n\n") and data.find(BOM_UTF8) < 0:
        found = _PLAIN.findall(data)
        if len(found) == lines:
            return found
    events, rest = split(data)
    return [each for event in (*events, rest) if (each := payload(event)) is not None]


def json_in(data: bytes) -> bytes:
    """What seems to be an object or a list of JSON, and no event; else nothing."""
    data = data.removeprefix(BOM_UTF8).strip()
    return data if data.startswith((b"{", b"[")) else b""


def tells(event: bytes) -> bool:
    """Whether it is more than a comment, a mere name or blank lines."""
    return payload(event) is not None or json_in(event) != b""
