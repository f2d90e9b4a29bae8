"""The members of a JSON object that somebody else will read, too: what is there twice could be read in two ways.

Fast where it is large: what of the members is not looked at is not parsed.
"""

import json
import re
from codecs import BOM_UTF8
from typing import Any

import msgspec
from msgspec import Raw

from coderai.formats.format import NotUnderstood

# Bytes of JSON that are read whole, in some tens of milliseconds in which no other request is served.
LARGEST = 500_000
# Members of an object or a list, whose names are looked at one by one, in as long.
MOST = 10_000

_UNREAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_NAME = re.compile(rb'\s*[{,]\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_END = re.compile(rb"\s*[,}]")
# What msgspec refuses and others take, and what it is read as here. The literals come first, for speed.
_ODDITIES = (
    (re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}"), rb"\\ufffd"),  # halves of surrogate pairs, and whole ones
    (re.compile(rb"NaN(?<=[:,\[\s]NaN)"), b"null"),
    (re.compile(rb"Infinity(?<=[:,\[\s-]Infinity)"), b"0"),
)
_MOST_ODDITIES = 1_000_000


def members(body: bytes) -> dict[str, bytes]:
    """Each one's JSON, by its name. Raises NotUnderstood where a name is there twice."""
    try:
        return _members(body.removeprefix(BOM_UTF8))
    except _UNREAD:
        pass
    body = body.decode("utf-8-sig", "replace").encode()
    body = body.replace(rb"\\", b"//")  # so that a backslash begins an escape
    for odd, plain in _ODDITIES:
        body = odd.sub(plain, body, _MOST_ODDITIES)
    try:
        return _members(body)
    except _UNREAD:
        raise NotUnderstood("the body's JSON cannot be read to its end") from None


def _members(body: bytes) -> dict[str, bytes]:
    decoded = _OBJECT.decode(body)
    if len(decoded) > MOST:
        raise NotUnderstood(f"the body has more than {MOST} members")
    found = {name: bytes(given) for name, given in decoded.items()}
    at = 0
    # Of two of one name the last is found, in the first one's place: there is another value then, or more behind all.
    for name, given in found.items():
        at = _behind(body, at, name, given)
    if (more := _NAME.match(body, at)) is not None:
        raise _twice(more)
    return found


def _behind(body: bytes, at: int, name: str, given: bytes) -> int:
    """Where the member ends that comes there, which has to be this one."""
    named = _NAME.match(body, at)
    if named is None:
        raise NotUnderstood("the body's JSON cannot be read to its end")
    end = named.end() + len(given)
    if msgspec.json.decode(named[1]) != name or not body.startswith(given, named.end()) or not _END.match(body, end):
        raise _twice(named)
    return end


def _twice(named: re.Match[bytes]) -> NotUnderstood:
    return NotUnderstood(f"the body names its {msgspec.json.decode(named[1])} more than once")


def each(text: bytes) -> list[bytes]:
    """A list's members, or what is there in its place. Raises NotUnderstood."""
    try:
        found = _LIST.decode(text)
    except _UNREAD:
        return [text]
    if len(found) > MOST:
        raise NotUnderstood(f"a list in the body has more than {MOST} members")
    return [bytes(one) for one in found]


def pairs(text: bytes) -> Any:
    """All of a JSON text, its objects as tuples of pairs, which keep what is there twice. Raises NotUnderstood."""
    if len(text) > LARGEST:
        raise NotUnderstood(f"what may name models in the body is larger than {LARGEST} bytes")
    try:
        return json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise NotUnderstood("the body's JSON cannot be read to its end") from None
