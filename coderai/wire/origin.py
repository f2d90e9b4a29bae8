"""Where a provider is reached: scheme, host and port of its base URL."""

from typing import NamedTuple
from urllib.parse import urlsplit


class Origin(NamedTuple):
    scheme: str
    host: str  # an IPv6 address without brackets
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _usual_port(parts.scheme))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority.decode()}"

    @property
    def authority(self) -> bytes:
        """The Host field's value: without the port where it is the scheme's own."""
        return self._host if self.port == _usual_port(self.scheme) else self.host_and_port

    @property
    def host_and_port(self) -> bytes:
        return b"%b:%d" % (self._host, self.port)

    @property
    def _host(self) -> bytes:
        return bracketed(self.host).encode("ascii" if self.host.isascii() else "idna")


def bracketed(host: str) -> str:
    """As it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def _usual_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
