"""A provider's keys: each request starts with the first one that is not cooling down.

A 429 cools a key down for the provider's `retry-after`, a 401 for ten minutes; the request goes on with the next
key before anything was relayed. With a single key nothing of this happens: the provider's answer is the answer.
In memory, for this process.
"""

import time
from collections.abc import Sequence

from coderai.wire.headers import Named

# Where a 429 does not say for how long: what providers' limits are counted by.
RATE_LIMITED_S = 60.0
# A refused key is wrong or revoked: somebody has to mend it, and then it may take a while to be seen.
REFUSED_S = 600.0
FAILOVER = frozenset((401, 429))


class Key:
    def __init__(self, value: str, header: tuple[bytes, bytes]) -> None:
        self.value = value
        self.header = header  # the field that carries it upstream
        self.hint = mask(value)
        self.rate_limited = False
        self.until = 0.0  # monotonic: not used before

    def cool_down(self, status: int, fields: Named) -> None:
        """The provider has refused it with this status."""
        self.rate_limited = status == 429
        self.until = time.monotonic() + (_retry_after(fields) if self.rate_limited else REFUSED_S)


class Keys:
    def __init__(self, values: Sequence[str], header: bytes, scheme: bytes) -> None:
        self._keys = [Key(value, (header, scheme + value.encode())) for value in values]
        self.secrets = tuple(values)

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def alone(self) -> bool:
        return len(self._keys) == 1

    def usable(self) -> list[Key]:
        """Those to try, in order; a single key always."""
        now = time.monotonic()
        return self._keys if self.alone else [key for key in self._keys if key.until <= now]

    def next_usable_s(self) -> float | None:
        """In how many seconds the first rate-limited key can be used again; None if none is rate-limited."""
        now = time.monotonic()
        return min((key.until - now for key in self._keys if key.rate_limited and key.until > now), default=None)


def mask(secret: str) -> str:
    """What may be shown of a secret: its first and last characters, by its length."""
    shown = next((n for n, least in ((4, 20), (2, 10), (1, 5)) if len(secret) >= least), 0)
    return f"{secret[:shown]}...{secret[len(secret) - shown :]}" if secret else ""


def _retry_after(fields: Named) -> float:
    value = fields.get(b"retry-after", b"")
    return float(value) if value.isdigit() and len(value) <= 9 else RATE_LIMITED_S
