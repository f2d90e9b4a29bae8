"""Asking for a stream's usage by splicing bytes into the request: all other bytes stay as they came.

`"stream_options":{"include_usage":true}` goes behind the object's first brace. Where the key exists already
(with other options, or null), its value is changed in place: of a key that stands twice, JSON parsers take the last.
Of options that name `include_usage` themselves the value is written anew.
"""

import re

import msgspec

_ASKED = b'"stream_options":{"include_usage":true}'
_SPACE = b" \t\r\n"


def with_usage(body: bytes, *, has_options: bool) -> bytes:
    """The body of a JSON object, valid by then, with include_usage true.

    has_options: whether it has the key already, in whatever spelling.
    """
    found = _last_value(body, b"stream_options") if has_options else None
    if found is None:
        at = body.index(b"{") + 1
        comma = b"" if body[at:].lstrip(_SPACE).startswith(b"}") else b","
        return b"%b%b%b%b" % (body[:at], _ASKED, comma, body[at:])
    start, end = found
    return body[:start] + _changed(body[start:end]) + body[end:]


def _changed(options: bytes) -> bytes:
    if not options.startswith(b"{"):
        return b'{"include_usage":true}'
    if b"\\" in options or b'"include_usage"' in options:  # whatever it says, wherever it stands
        return msgspec.json.encode(msgspec.json.decode(options) | {"include_usage": True})
    comma = b"" if options[1:].lstrip(_SPACE).startswith(b"}") else b","
    return b'{"include_usage":true%b%b' % (comma, options[1:])


# What matters of a JSON text's structure: strings whole, brackets, commas and colons. A string in runs between two
# escapes: with a choice at every character, `re` would take a hundred bytes of memory for each.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]', re.DOTALL)


def _last_value(body: bytes, key: bytes) -> tuple[int, int] | None:
    """Where the value of the object's own (last) key of that name begins and ends."""
    quoted = b'"%b"' % key
    if quoted not in body and b"\\u00" not in body:
        return None
    found = None
    depth = 0
    begun: int | None = None
    previous = b""
    for token in _TOKEN.finditer(body):
        mark = token.group()
        if depth == 1 and mark in (b",", b"}") and begun is not None:
            found = _trimmed(body, begun, token.start())
            begun = None
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
        elif mark == b":" and depth == 1 and (previous == quoted or _unescaped(previous) == quoted):
            begun = token.end()
        previous = mark
    return found


def _unescaped(token: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(token)) if b"\\" in token else token


def _trimmed(body: bytes, start: int, end: int) -> tuple[int, int]:
    value = body[start:end]
    return end - len(value.lstrip(_SPACE)), start + len(value.rstrip(_SPACE))
