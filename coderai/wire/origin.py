"""Where a provider is reached: scheme, host and port of its base URL."""

from typing import NamedTuple
from urllib.parse import urlsplit


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))

    @property
    def authority(self) -> bytes:
        """The Host field's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host.encode("idna" if not host.isascii() else "ascii") + (
            b"" if self.port == usual else b":%d" % self.port
        )
