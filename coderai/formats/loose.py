"""Reading JSON that anybody may have written: nothing here raises but for `object_of` on what is no object.

msgspec is fast and skips what is not wanted, yet refuses some of what is seen in the wild (lone surrogates, odd
types in fields that do not matter); what it refuses is read by the standard library, which takes nearly all.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from coderai.formats.format import NotUnderstood, TooDeep

S = TypeVar("S", bound=Struct)

# Payloads that are decoded in one go: a fraction of a millisecond in which no other thread runs.
AT_ONCE = 500

_CODED = (Raw, bytes)  # as a tuple: a union would be made anew at each look
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NUMBER = (int, float)
_FLAGS = (str, int, float)
_MOST = 2**63 - 1
# https://docs.pydantic.dev/latest/api/standard_library_types/#booleans
_TRUE = ("1", "1.0", "true", "t", "yes", "y", "on")


def value(data: Any) -> Any:
    """What a Raw, or bytes of JSON, stand for; None if they stand for nothing; other values as they are."""
    if not isinstance(data, _CODED):
        return data
    try:
        return _decoded(data)
    except RecursionError:
        return None


def _decoded(data: Any) -> Any:
    try:
        return msgspec.json.decode(data)
    except _REFUSED:
        pass
    try:
        return json.loads(bytes(data).decode("utf-8-sig", "replace"))
    except ValueError:
        return None


def object_of(body: bytes, kind: type[S]) -> S:
    """The fields of `kind` from a JSON object; raises NotUnderstood if it is none."""
    try:
        return msgspec.json.decode(body, type=kind)
    except _REFUSED:
        pass
    try:
        given = _decoded(body)
        if not isinstance(given, dict):
            raise NotUnderstood("the body is not a JSON object")
        return kind(**{one.name: _as(one.type, given[one.name]) for one in fields(kind) if one.name in given})
    except RecursionError:
        raise TooDeep("the body is nested too deeply") from None


def _as(kind: Any, given: Any) -> Any:
    """What msgspec would have made of it: what is to be read later is JSON again."""
    if kind is Raw:
        return Raw(json_of(given))
    if kind == list[Raw] | None:
        return [Raw(json_of(one)) for one in given] if isinstance(given, list) else None
    return given


def json_of(given: Any) -> bytes:
    """A value's JSON; half a surrogate pair stays an escape in it."""
    try:
        return _compact(given).encode()
    except UnicodeEncodeError:
        return json.dumps(given, separators=(",", ":")).encode()


def _compact(given: Any) -> str:
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def objects(payloads: Sequence[bytes], decoder: msgspec.json.Decoder[S]) -> Iterator[S]:
    """Each of these that is an object; many at once, or one by one where something about them is odd."""
    for start in range(0, len(payloads), AT_ONCE):
        some = payloads[start : start + AT_ONCE]
        lines = b"\n".join(some)
        try:
            found = decoder.decode_lines(lines) if lines.count(b"\n") == len(some) - 1 else []
        except _REFUSED:
            found = []
        yield from found if len(found) == len(some) else _objects(some, decoder.type)


def _objects(payloads: Sequence[bytes], kind: type[S]) -> Iterator[S]:
    for payload in payloads:
        with suppress(NotUnderstood):
            yield object_of(payload, kind)


def mapping(data: Any) -> dict[str, Any]:
    if isinstance(data, dict):  # most are: a part of what has been read already
        return data
    found = value(data) if isinstance(data, _CODED) else None
    return found if isinstance(found, dict) else {}


def flag(data: Any) -> bool:
    """Whether it is true, or one of what lenient servers take for it."""
    if isinstance(data, bool):  # as it mostly is
        return data
    return isinstance(data, _FLAGS) and str(data).lower() in _TRUE


def items(data: Any) -> list[Any]:
    if isinstance(data, list):
        return data
    found = value(data) if isinstance(data, _CODED) else None
    return found if isinstance(found, list) else []


class _Items(Struct):
    items: list[Raw] | None = None


def raw_items(raw: Raw) -> list[Any]:
    """A list's members, unread; most of them need not be."""
    try:
        return object_of(b'{"items":' + bytes(raw) + b"}", _Items).items or []
    except NotUnderstood:
        return []


def text(data: Any) -> str:
    return data if isinstance(data, str) else ""


def texts_in(content: Any) -> list[str]:
    """What a content says: itself where it is a text, else the text of each of its parts, "" of what is none."""
    found = value(content)
    return [found] if isinstance(found, str) else [text(mapping(part).get("text")) for part in items(found)]


def count(data: Any) -> int:
    """A number of tokens, whatever the provider wrote: none below 0, none beyond what a column takes."""
    if not isinstance(data, _NUMBER) or not data > 0:
        return 0
    return int(data) if data < _MOST else _MOST


def written(raw: Any) -> str:
    """A tool's input as the model wrote it: a string's own text, anything else as its JSON stands."""
    if isinstance(raw, Raw):
        found = bytes(raw).strip()
        if found[:1] != b'"':
            return found.decode("utf-8", "replace")
        raw = value(found)
    if raw is None:
        return ""
    return raw if isinstance(raw, str) else _compact(raw)
