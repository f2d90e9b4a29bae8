"""Values that every database takes: ids that fit and texts without NUL always, all else where a database has refused
a batch.

PostgreSQL's text holds no NUL and UTF-8 holds no lone surrogate, though JSON can bring both; integers are 64
bits wide; a few columns have a width. What cannot be stored is shown escaped (`\\x00`, `\\udc80`), never
left out. Looking at every value of every record would cost more than storing it, so `fitted` looks at widths, and for
the NUL that SQLite would take.
"""

import re
import sys
from functools import lru_cache
from typing import Any, get_type_hints

from msgspec import Struct
from msgspec.structs import astuple, replace

from coderai.records import AnsweredPrompt, Metadata, Prompt, Record

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
# Columns of Coder's schema with a width, and ids that are indexed: an index entry has to fit in a third of a
# page, 2,704 bytes in PostgreSQL, and 512 characters are at most 2,048. The model name is cut likewise.
ID_CHARACTERS = 512
# Errors may repeat the whole request that they are about, and are kept longer than contents.
ERROR_CHARACTERS = 4096
WIDTHS = {
    "client": 64,
    "client_session_id": 256,
    "credential_hint": 15,
    "model": ID_CHARACTERS,
    "message_id": ID_CHARACTERS,
    "call_id": ID_CHARACTERS,
    "correlating_tool_call_id": ID_CHARACTERS,
    "object_id": ID_CHARACTERS,
    "tool": ID_CHARACTERS,
    "error_type": ID_CHARACTERS,
    "error_message": ERROR_CHARACTERS,
    "invocation_error": ERROR_CHARACTERS,
    "server_url": ERROR_CHARACTERS,
}
# What clients and providers write, of any length.
TEXTS = frozenset(("text", "content", "tool", "input", "server_url", "invocation_error", "error_type", "error_message"))
# Metadata nested deeper than any provider's; below it, text.
METADATA_DEPTH = 20

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def fitted(record: Record) -> Record:
    """The same record, its ids cut to the width of their columns, and no text with a NUL."""
    finding = record.finding
    for name, width in _foreign(type(finding)):
        value = getattr(finding, name)
        if value is not None and (len(value) > width or "\x00" in value):
            return storable(record)
    if type(finding) is AnsweredPrompt and _holds_nul(finding.prompt):  # its log line says what the prompt's row says
        return storable(record)
    return record


def _holds_nul(prompt: Prompt) -> bool:
    parts = prompt.metadata.get("other_parts", ())  # of a dead process's row, whatever somebody has made of them
    return "\x00" in prompt.text or (type(parts) is list and any(type(p) is str and "\x00" in p for p in parts))


def storable(record: Record) -> Record:
    """The same record where all is well, else a copy that can be stored."""
    finding = _struct(record.finding)
    return record if finding is record.finding else replace(record, finding=finding)


def without_nul(metadata: Metadata) -> Metadata:
    """Else no SQL could look into a table's metadata: PostgreSQL takes such JSON, and refuses to read it."""
    fits: Metadata = _value(metadata, METADATA_DEPTH)
    return fits


@lru_cache
def _foreign(kind: type[Struct]) -> tuple[tuple[str, int], ...]:
    """The fields of this kind whose text comes from elsewhere, and how many characters each may have."""
    hints = get_type_hints(kind)  # Tokens.input is a number
    names = (name for name in kind.__struct_fields__ if name in WIDTHS or (name in TEXTS and hints[name] is not int))
    return tuple((name, WIDTHS.get(name, sys.maxsize)) for name in names)


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
