"""What an option's value can be, and how its text is read.

Every value has one text form, the one that flags and variables carry; a YAML value is turned into it first.
So each kind is parsed in one place. `Kind.parse` raises ValueError with the reason; the caller adds where the
value came from and `Kind.expected`.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from platformdirs import user_data_dir

from coderai.config.duration import Duration

T = TypeVar("T")

LARGEST_PORT = 65535
LARGEST_COUNT = 256
LARGEST_SIZE = 2**63 - 1  # what a signed 64-bit counter holds
SIZE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
# Go's strconv.ParseBool, and the empty string of `--flag=`.
BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True)
BOOLEANS |= dict.fromkeys(("", "0", "f", "F", "FALSE", "false", "False"), False)

STR, BOOL_TAG = "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"


@dataclass(frozen=True)
class Kind(Generic[T]):
    name: str  # in --help and the documentation
    expected: str  # completes "expected …"
    parse: Callable[[str], T]
    plain: Callable[[T], Any] = str  # as a JSON or YAML value
    yaml_tags: tuple[str, ...] = (STR,)  # the scalars taken in YAML; () is any of them
    is_list: bool = False
    empty_is_value: bool = False  # whether an empty environment variable sets it, or counts as unset


@dataclass(frozen=True)
class HostPort:
    """Where to listen or connect; an empty host is every interface. IPv6 hosts are held without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Size:
    """`Size("256MB")`: a number of bytes, above 0; keeps the text it was written as."""

    text: str = field(compare=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", _bytes(self.text))

    def __str__(self) -> str:
        return self.text


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d{1,19}) ?([a-z]*)", text, re.ASCII | re.IGNORECASE)
    unit = SIZE_UNITS.get((match[2] or "B").upper()) if match else None
    if match is None or unit is None:
        raise ValueError("it is not a size")
    count = int(match[1]) * unit
    if not 0 < count <= LARGEST_SIZE:
        raise ValueError("it must be above 0 and below 2^63 bytes")
    return count


def _boolean(text: str) -> bool:
    if text not in BOOLEANS:
        raise ValueError("it is neither true nor false")
    return BOOLEANS[text]


def _secret(text: str) -> str:
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("it holds white space or characters that an HTTP header cannot carry")
    return text


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character")
    return text


def _database_path(text: str) -> str:
    return _path(text) or str(Path(user_data_dir("coderai", appauthor=False)) / "coderai.db")


def _url(text: str) -> str:
    parts = urlsplit(text)  # a ValueError of its own says what is wrong with brackets
    try:
        _ = parts.port
    except ValueError:  # whose text may hold a part of a password
        raise ValueError(f"its port is not a number up to {LARGEST_PORT}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("it does not start with http:// or https://")
    if not parts.hostname:
        raise ValueError("it names no host")
    _resolvable(parts.hostname)
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds credentials; put the key in the provider's key option")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("it has a query or a fragment")
    if any(character <= " " for character in text):
        raise ValueError("it holds white space")
    return text


def _resolvable(host: str) -> None:
    """As the resolver takes it: else every request would fail."""
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(
            "its host is no name: a part of it is empty, longer than 63 characters or not allowed"
        ) from None


def _postgres_url(text: str) -> str:
    if text and not text.startswith(("postgres://", "postgresql://")):  # no more: libpq reads it in a way of its own
        raise ValueError("it does not start with postgres:// or postgresql://")
    if any(character <= " " for character in text):
        raise ValueError("it holds white space")
    return text


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


def _host_port(text: str) -> HostPort:
    if not text:
        raise ValueError("it must not be empty")
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]*):(\d{1,5})", text, re.ASCII)
    if match is None:
        raise ValueError("it is not host:port")
    if int(match[2]) > LARGEST_PORT:
        raise ValueError(f"the port is above {LARGEST_PORT}")
    return HostPort(match[1].strip("[]"), int(match[2]))


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
        raise ValueError(f"it is not a comma-separated list ({error})") from None
    return tuple(item for item in rows[0] if item) if rows else ()


def _paths(text: str) -> tuple[str, ...]:
    return tuple(_path(item) for item in _items(text))


def _regexes(text: str) -> tuple[re.Pattern[str], ...]:
    def compiled(item: str) -> re.Pattern[str]:
        try:
            return re.compile(item)
        except re.error as error:
            raise ValueError(f"{item!r} is not a regular expression: {error}") from None

    return tuple(compiled(item) for item in _items(text))


SECRET = Kind("string", "a key without white space", _secret, empty_is_value=True)
PATH = Kind("path", "a path, in quotes where YAML would read it otherwise", _path, empty_is_value=True)
DATABASE_PATH = Kind("path", "a path", _database_path, empty_is_value=True)
URL = Kind("url", "a URL such as https://api.example.com/v1/", _url)
POSTGRES_URL = Kind("url", "a URL such as postgres://user:password@host/db", _postgres_url, empty_is_value=True)
SYNCHRONOUS = Kind("normal|full", "normal or full", _synchronous)
WHOLE = Kind("int", "a whole number such as 0 or 100", _whole, plain=int, yaml_tags=())
ABOVE_ZERO = Kind("int", "a whole number above 0", _above_zero, plain=int, yaml_tags=())
COUNT = Kind("int", "a whole number from 1 to 256", _count, plain=int, yaml_tags=())
OPTIONAL_URL = Kind("url", URL.expected, lambda text: _url(text) if text else "", empty_is_value=True)
BOOL = Kind("bool", "true or false", _boolean, plain=bool, yaml_tags=(STR, BOOL_TAG))
DURATION = Kind("duration", "a duration such as 60d, 1h30m, 90s or 0", Duration, yaml_tags=())
SIZE = Kind("size", "a size such as 500000, 256MB or 1GiB", Size, yaml_tags=())
HOST_PORT = Kind("host:port", "host:port such as 127.0.0.1:3000", _host_port, yaml_tags=())
TLS_VERSION = Kind("tls12|tls13", "tls12 or tls13", _tls_version)
PATHS = Kind("list of paths", "a list of paths", _paths, plain=list, is_list=True)
REGEXES = Kind(
    "list of regex",
    "a list of regular expressions",
    _regexes,
    plain=lambda value: [pattern.pattern for pattern in value],
    is_list=True,
)
