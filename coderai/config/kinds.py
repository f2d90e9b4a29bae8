"""What an option's value can be, and how its text is read.

Every value has one text form, the one that flags and variables carry; a YAML value is turned into it first.
So each kind is parsed in one place. `Kind.parse` raises ValueError with the reason; the caller adds where the
value came from and `Kind.expected`.
"""

import csv
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from platformdirs import user_data_dir

from coderai.config.addresses import host_port, postgres_url, url
from coderai.config.duration import Duration
from coderai.config.size import Size

T = TypeVar("T")

LARGEST_COUNT = 256
# Go's strconv.ParseBool, and the empty string of `--flag=`.
BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True)
BOOLEANS |= dict.fromkeys(("", "0", "f", "F", "FALSE", "false", "False"), False)

PEM = "-----BEGIN "

STR, BOOL_TAG, INT = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"


@dataclass(frozen=True)
class Kind(Generic[T]):
    name: str  # in --help and the documentation
    expected: str  # completes "expected …"
    parse: Callable[[str], T]
    plain: Callable[[T], Any] = str  # as a JSON or YAML value
    yaml_tags: tuple[str, ...] = (STR,)  # the scalars taken in YAML; () is any of them
    is_list: bool = False
    empty_is_value: bool = False  # whether an empty environment variable sets it, or counts as unset


def _boolean(text: str) -> bool:
    if text not in BOOLEANS:
        raise ValueError("it is neither true nor false")
    return BOOLEANS[text]


def _secret(text: str) -> str:
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("it holds white space or characters that an HTTP header cannot carry")
    return text


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError("it holds half a surrogate pair") from None
    return text


def _path(text: str) -> str:
    """Of `--dump-dir=~/dumps` no shell makes a path, nor do YAML and a container's variables."""
    if not re.match(r"~(/|\Z)", _text(text)):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        raise ValueError("there is no home folder") from None


def check_path_of_a_variable(text: str) -> None:
    """docker's --env-file leaves quotes and line ends in a value: a trail would be in a folder of that name instead of
    on its volume. Whoever writes so in a shell or YAML means it. Raises ValueError.
    """
    if text != text.strip():
        raise ValueError("white space, or a line end, is before or behind it; remove that")
    if text.startswith(("'", '"')) and text.endswith(text[0]):
        raise ValueError("its quotes count as part of it (docker's --env-file leaves them there); remove them")


def _database_path(text: str) -> str:
    if text == ":memory:" or text.startswith("file:"):
        raise ValueError("it is no path: a trail is a file, which outlives the server")
    return _path(text) or _default_database()


def _default_database() -> str:
    """None where there is no home folder: a container's user may be a mere number, without HOME."""
    try:
        return str(Path(user_data_dir("coderai", appauthor=False)) / "coderai.db")
    except RuntimeError:
        return ""


def _synchronous(text: str) -> str:
    if text not in ("normal", "full"):
        raise ValueError("it is neither normal nor full")
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("it is no such number")
    return int(text)


def _above_zero(text: str) -> int:
    if not (number := _whole(text)):
        raise ValueError("it is not above 0")
    return number


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII) or not 1 <= int(text) <= LARGEST_COUNT:
        raise ValueError("it is no such number")
    return int(text)


def _tls_version(text: str) -> str:
    if text in ("tls10", "tls11"):
        raise ValueError("RFC 8996 forbids TLS 1.0 and 1.1")
    if text not in ("tls12", "tls13"):
        raise ValueError("it is not a TLS version")
    return text


def _items(text: str) -> tuple[str, ...]:
    """One CSV line, as Coder reads lists: commas part, double quotes hold commas."""
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        what = str(error).partition(" - ")[0]  # behind it, of a line break, advice for programmers
        raise ValueError(f"it is not a comma-separated list ({what})") from None
    return tuple(item for item in rows[0] if item) if rows else ()


def _paths(text: str) -> tuple[str, ...]:
    if PEM in text:
        raise ValueError("it is PEM, not a path; write it to a file and name that")
    return tuple(_path(item) for item in _items(text))


def _regexes(text: str) -> tuple[re.Pattern[str], ...]:
    def compiled(item: str) -> re.Pattern[str]:
        try:
            return re.compile(item)
        except re.error as error:
            raise ValueError(f"{item!r} is not a regular expression: {error}") from None

    return tuple(compiled(item) for item in _items(text))


SECRET = Kind("string", "a key without white space", _secret, empty_is_value=True)
TEXT = Kind("string", "text, in quotes where YAML would read it otherwise", _text, empty_is_value=True)
NAME = Kind("string", TEXT.expected, _text)  # which is never off: an empty variable leaves the default
PATH = Kind("path", "a path, in quotes where YAML would read it otherwise", _path, empty_is_value=True)
DATABASE_PATH = Kind("path", "a path", _database_path, empty_is_value=True)
URL = Kind("url", "a URL such as https://api.example.com/v1/", url)
POSTGRES_URL = Kind("url", "a URL such as postgres://user:password@host/db", postgres_url, empty_is_value=True)
SYNCHRONOUS = Kind("normal|full", "normal or full", _synchronous)
WHOLE = Kind("int", "a whole number such as 0 or 100", _whole, plain=int, yaml_tags=())
ABOVE_ZERO = Kind("int", "a whole number above 0", _above_zero, plain=int, yaml_tags=())
COUNT = Kind("int", "a whole number from 1 to 256", _count, plain=int, yaml_tags=())
OPTIONAL_URL = Kind("url", URL.expected, lambda text: url(text) if text else "", empty_is_value=True)
BOOL = Kind("bool", "true or false", _boolean, plain=bool, yaml_tags=(STR, BOOL_TAG, INT))  # 1 and 0, too
DURATION = Kind("duration", "a duration such as 60d, 1h30m, 90s or 0", Duration, yaml_tags=())
SIZE = Kind("size", "a size such as 500000, 256MB or 1GiB", Size, yaml_tags=())
HOST_PORT = Kind("host:port", "host:port such as 127.0.0.1:3000", host_port, yaml_tags=())
TLS_VERSION = Kind("tls12|tls13", "tls12 or tls13", _tls_version)
PATHS = Kind("list of paths", "a list of paths", _paths, plain=list, is_list=True)
REGEXES = Kind(
    "list of regex",
    "a list of regular expressions",
    _regexes,
    plain=lambda value: [pattern.pattern for pattern in value],
    is_list=True,
)
