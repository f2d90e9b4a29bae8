"""With what a request goes upstream: a provider's pool of keys, or the credential that its user has brought along.

Each request starts with the pool's first key that is not cooling down. A 429 cools a key down for the provider's
`retry-after`, a 401 for ten minutes; the request goes on with the next key before anything was relayed. With a single
key nothing of this happens: the provider's answer is the answer. In memory, for this process.
"""

import json
import re
import time
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from coderai.wire.headers import Named

# Where a 429 does not say for how long: what providers' limits are counted by.
RATE_LIMITED_S = 60.0
# A refused key is wrong or revoked: somebody has to mend it, and then it may take a while to be seen.
REFUSED_S = 600.0
# What no provider asks for in earnest.
LONGEST_S = 24 * 3600.0
# A shorter part of a credential is no secret, and would be found everywhere.
SHORTEST_SECRET = 8
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
_ESCAPED = re.compile(r"[+&<>\"'`]")
FAILOVER = frozenset((401, 429))

CENTRALIZED = "centralized"
BYOK = "byok"


class Key:
    def __init__(self, value: str, header: tuple[bytes, bytes]) -> None:
        self.value = value
        self.header = header  # the field that carries it upstream
        self.hint = mask(value)
        self.rate_limited = False
        self.until = 0.0  # monotonic: not used before

    def cool_down(self, status: int, fields: Named) -> float:
        """The provider has refused it with this status; returns for how many seconds it rests."""
        seconds = _retry_after(fields) if status == 429 else REFUSED_S
        until = time.monotonic() + seconds
        if until >= self.until:  # a request that began earlier may tell of less
            self.until = until
            self.rate_limited = status == 429
        return seconds

    @property
    def cooling(self) -> bool:
        return self.until > time.monotonic()


class Keys:
    def __init__(self, keys: Sequence[Key], kind: str = CENTRALIZED) -> None:
        self._keys = list(keys)
        self.kind = kind
        self.secrets = tuple(dict.fromkeys(part for key in keys for part in secret_parts(key.value)))
        self.single = len(self._keys) == 1

    @classmethod
    def pool(cls, values: Sequence[str], header: bytes, scheme: bytes) -> "Keys":
        """An organisation's."""
        return cls([Key(value, (header, scheme + value.encode())) for value in values])

    @classmethod
    def brought(cls, name: bytes, value: bytes) -> "Keys":
        """A user's own, in the very header field that brought it."""
        secret = value.decode("latin-1")
        if name.lower() == b"authorization":
            secret = secret.partition(" ")[2].strip() or secret
        return cls([Key(secret, (name, value))], BYOK)

    def remember(self, before: "Keys") -> None:
        """Keys that it was made of before go on resting."""
        known = {key.value: key for key in before._keys}
        for key in self._keys:
            if (old := known.get(key.value)) is not None:
                key.until, key.rate_limited = old.until, old.rate_limited

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def hint(self) -> str:
        """Of the key that would be used now."""
        if self.single:
            return self._keys[0].hint
        return next((key.hint for key in self.usable()), "")

    def usable(self) -> list[Key]:
        """Those to try, in order; a single key always."""
        if self.single:
            return self._keys
        return [key for key in self._keys if not key.cooling]

    def next_usable_s(self) -> float | None:
        """After all were refused: in how many seconds the first rate-limited one can be used again, if there is one."""
        now = time.monotonic()
        return min((max(0.0, key.until - now) for key in self._keys if key.rate_limited), default=None)


def secret_parts(value: str) -> list[str]:
    """The secret, and where it is a list (`token a=x, b=y`) what is secret in it; the longest first."""
    parts = {value, *(part for part in re.split(r"[\s,;=\"']+", value) if len(part) >= SHORTEST_SECRET)}
    return sorted(filter(None, parts), key=len, reverse=True)


def spellings(secret: str) -> set[str]:
    """As it stands in a field; in JSON, where some escape a slash by a backslash, and .NET a plus; in a query."""
    if _PLAIN.fullmatch(secret):  # as nearly all are
        return {secret}
    in_json = json.dumps(secret)[1:-1]
    of_dotnet = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04X}", secret.replace("\\", "\\\\"))
    in_query = quote(secret, safe="")
    in_lower_case = re.sub("%..", lambda found: found[0].lower(), in_query)
    return {secret, in_json, in_json.replace("/", r"\/"), of_dotnet, in_query, in_lower_case}


def mask(secret: str) -> str:
    """What may be shown of a secret: its first and last characters, by its length."""
    shown = next((n for n, least in ((4, 20), (2, 10), (1, 5)) if len(secret) >= least), 0)
    return f"{secret[:shown]}...{secret[len(secret) - shown :]}" if secret else ""


def _retry_after(fields: Named) -> float:
    """Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""
    value = fields.get(b"retry-after", b"").decode("latin-1").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), LONGEST_S)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # asctime's form names no zone, and means GMT (RFC 9110, section 5.6.7)
            date = date.replace(tzinfo=UTC)
        return min(max(0.0, date.timestamp() - time.time()), LONGEST_S)
    except (ValueError, OverflowError):
        return RATE_LIMITED_S
