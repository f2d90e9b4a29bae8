"""Where something is on the network, as options name it: host:port, and URLs.

Spec: https://www.rfc-editor.org/rfc/rfc3986
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

LARGEST_PORT = 65535


@dataclass(frozen=True)
class HostPort:
    """Where to listen or connect; an empty host is every interface. IPv6 hosts are held without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def host_port(text: str) -> HostPort:
    """Raises ValueError with the reason; so do those below."""
    if not text:
        raise ValueError("it must not be empty")
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]*):(\d{1,5})", text, re.ASCII)
    if match is None:
        raise ValueError("it is not host:port")
    if int(match[2]) > LARGEST_PORT:
        raise ValueError(f"the port is above {LARGEST_PORT}")
    return HostPort(match[1].strip("[]"), int(match[2]))


def url(text: str) -> str:
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


def postgres_url(text: str) -> str:
    if text and not text.startswith(("postgres://", "postgresql://")):  # no more: libpq reads it in a way of its own
        raise ValueError("it does not start with postgres:// or postgresql://")
    if any(character <= " " for character in text):
        raise ValueError("it holds white space")
    return text
