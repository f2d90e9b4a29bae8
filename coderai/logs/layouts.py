"""The three layouts: an `Entry` in, one line of bytes out, byte for byte as Coder's log library writes it.

Contract: exactly one line feed, the last byte; pure. Two deliberate differences: a value never spreads over
several lines, and characters that a terminal or a line splitter acts on (C1 controls, bidi overrides) are
escaped in JSON too, which every JSON reader undoes. The layouts: https://github.com/coder/slog (slogjson,
sloghuman, slogstackdriver); https://docs.cloud.google.com/logging/docs/structured-logging
"""

import datetime
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import orjson

from coderai.logs import notation


class Level(NamedTuple):
    json: str
    human: str
    severity: str


DEBUG = Level("DEBUG", "debu", "DEBUG")
INFO = Level("INFO", "info", "INFO")
WARN = Level("WARN", "warn", "WARNING")
ERROR = Level("ERROR", "erro", "ERROR")


class Site(NamedTuple):
    """Where in the source a line is logged: constant for a call site."""

    file: str
    line: int
    function: str


class Entry(NamedTuple):
    at: int  # nanoseconds since the epoch, UTC
    level: Level
    names: tuple[str, ...]
    message: str
    site: Site
    fields: Mapping[str, Any]


Layout = Callable[[Entry], bytes]

# DEL, C1 controls, U+2028..U+202E and U+2066..U+2069, as UTF-8.
ACTED_ON = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
ORJSON_INTEGERS = range(-(2**63), 2**64)  # it writes no others
JSON_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def json_line(entry: Entry) -> bytes:
    line: dict[str, Any] = {
        "ts": notation.rfc3339(entry.at),
        "level": entry.level.json,
        "msg": entry.message,
        "caller": f"{entry.site.file}:{entry.site.line}",
        "func": entry.site.function,
    }
    if entry.names:
        line["logger_names"] = entry.names
    if entry.fields:
        line["fields"] = entry.fields
    return json_value(line) + b"\n"


def stackdriver_line(entry: Entry) -> bytes:
    seconds, nanoseconds = divmod(entry.at, notation.NANOSECONDS)
    line: dict[str, Any] = {
        "logging.googleapis.com/severity": entry.level.severity,
        "severity": entry.level.severity,
        "message": entry.message,
        "timestampSeconds": seconds,
        "timestampNanos": nanoseconds,
        "logging.googleapis.com/sourceLocation": entry.site._asdict(),
    }
    if entry.names:
        line["logging.googleapis.com/operation"] = {"producer": ".".join(entry.names)}
    for key, value in entry.fields.items():
        line[f"{key}_" if key in line else key] = value  # a field cannot pass for the entry's own severity
    return json_value(line) + b"\n"


def human_line(entry: Entry) -> bytes:
    names = notation.one_line(".".join(entry.names)) + ": " if entry.names else ""
    message = notation.one_line(entry.message.strip())
    fields = [
        f"  {notation.quote_where_needed(key.replace(' ', '_'))}={_human(value)}" for key, value in entry.fields.items()
    ]
    return (f"{notation.human_time(entry.at)} [{entry.level.human}]  {names}{message}{''.join(fields)}\n").encode(
        errors="backslashreplace"
    )


def _human(value: Any) -> str:
    """One value of a human line: nothing returned here ends a line or reaches a terminal as a command."""
    match value:
        case str():
            return notation.quote_where_needed(value)
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return notation.number(value)
        case dict():
            return json_value(value).decode()
        case bytes():
            return notation.quote(value.decode(errors="backslashreplace"))
        case list() | tuple():
            return notation.quote_where_needed(f"[{' '.join(_element(item) for item in value)}]")
        case _:
            return notation.quote_where_needed(_text(value))


def _element(value: Any) -> str:
    return value if isinstance(value, str) else _human(value)


def json_value(value: Any) -> bytes:
    """JSON as Go's json.Marshal escapes it, whatever the value is."""
    try:
        line = orjson.dumps(value, default=_text, option=JSON_OPTIONS)
    except TypeError:  # lone surrogates, integers beyond 64 bits, keys that are no strings
        line = orjson.dumps(_storable(value), option=JSON_OPTIONS)
    line = line.replace(b"<", rb"\u003c").replace(b">", rb"\u003e").replace(b"&", rb"\u0026")
    return line if line.isascii() and b"\x7f" not in line else ACTED_ON.sub(_json_escape, line)


def _json_escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def _storable(value: Any) -> Any:
    """The same value in what orjson can write; only the rare value that it refuses comes here."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if value in ORJSON_INTEGERS else str(value)
        case str():
            return value.encode(errors="backslashreplace").decode()
        case Mapping():
            return {_storable(str(key)): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return _storable(_text(value))


def _text(value: Any) -> str:
    """What is no JSON value, as text: an error by its message, a duration and a time in Go's form."""
    match value:
        case datetime.timedelta():
            return notation.duration(value)
        case datetime.datetime() if value.tzinfo:
            utc = value.astimezone(datetime.UTC).replace(tzinfo=None)
            return notation.rfc3339((utc - notation.EPOCH) // datetime.timedelta(microseconds=1) * 1000)
        case bytes():
            return value.decode(errors="backslashreplace")
        case PurePath():
            return str(value)
        case BaseException():
            return str(value) or type(value).__name__  # an error without words still says what it is
        case _:
            return str(value)
