"""Values that every database takes: applied to a record when it is accepted, before anything waits for it.

PostgreSQL's text holds no NUL and UTF-8 holds no lone surrogate, though JSON can bring both; integers are 64
bits wide; a few columns have a width. What cannot be stored is shown escaped (`\\x00`, `\\udc80`), never
left out.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from coderai.records import Record, Tokens

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
# Columns of Coder's schema with a width, and ids that are indexed: an index entry has to fit in a third of a
# page, 2,704 bytes in PostgreSQL, and 512 characters are at most 2,048. The model name is cut likewise.
ID_CHARACTERS = 512
WIDTHS = {
    "client": 64,
    "client_session_id": 256,
    "credential_hint": 15,
    "model": ID_CHARACTERS,
    "message_id": ID_CHARACTERS,
    "call_id": ID_CHARACTERS,
    "correlating_tool_call_id": ID_CHARACTERS,
    "object_id": ID_CHARACTERS,
}
# Metadata nested deeper than any provider's; below it, text.
METADATA_DEPTH = 20

# Of a longer one only a few texts are looked at one by one, which is cheaper than encoding them.
PLAIN_BYTES = 64 * 1024

_encode = msgspec.json.Encoder().encode
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(record: Record) -> Record:
    """The same record where all is well, else a copy that can be stored."""
    if _is_plain(record.finding):
        return record
    finding = _struct(record.finding)
    return record if finding is record.finding else replace(record, finding=finding)


def _is_plain(finding: Struct) -> bool:
    """Whether nothing has to change, in under a microsecond: encoding it as JSON meets every value, in C."""
    try:
        data = _encode(finding)
    except (ValueError, OverflowError, TypeError, RecursionError):  # a lone surrogate, an integer of over 64 bits
        return False
    if b"\\u0000" in data or len(data) > PLAIN_BYTES:
        return False
    if (
        isinstance(finding, Tokens)
        and max(finding.input, finding.output, finding.cache_read, finding.cache_write) > INT64_MAX
    ):
        return False  # JSON takes one bit more
    return all(len(getattr(finding, name) or "") <= WIDTHS[name] for name in _limited(type(finding)))


@lru_cache
def _limited(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of this kind that have a width."""
    return tuple(name for name in kind.__struct_fields__ if name in WIDTHS)


def _struct(struct: Any) -> Any:
    changes: dict[str, Any] = {}
    for name, value in zip(struct.__struct_fields__, astuple(struct), strict=True):
        if not value:  # None, "", 0, False, {}
            continue
        if type(value) is str:
            # Nearly all texts end here: isascii reads a flag, and 15 is the narrowest width.
            if value.isascii() and "\x00" not in value and (len(value) <= 15 or name not in WIDTHS):
                continue
            fits = _text(value)[: WIDTHS.get(name)]
        else:
            fits = _struct(value) if isinstance(value, Struct) else _value(value, METADATA_DEPTH)
        if fits is not value:
            changes[name] = fits
    return replace(struct, **changes) if changes else struct


def _value(value: Any, depth: int) -> Any:
    """The very same object if nothing had to change."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if INT64_MIN <= value <= INT64_MAX else max(INT64_MIN, min(INT64_MAX, value))
    if value is None or isinstance(value, float):
        return value
    if depth == 0 or not isinstance(value, dict | list | tuple):
        return _text(str(value))
    if isinstance(value, dict):
        items = {_text(str(key)): _value(item, depth - 1) for key, item in value.items()}
        same = all(a is b for a, b in zip(items, value, strict=False)) and all(items[k] is value[k] for k in items)
        return value if same and len(items) == len(value) else items
    items_list = [_value(item, depth - 1) for item in value]
    return value if all(a is b for a, b in zip(items_list, value, strict=True)) else items_list


def _text(value: str) -> str:
    if "\x00" not in value and _encodes(value):
        return value
    return _UNSTORABLE.sub(lambda found: ascii(found[0])[1:-1], value)


def _encodes(value: str) -> bool:
    if value.isascii():  # a flag of the string, no search
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
