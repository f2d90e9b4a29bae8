"""The secrets of this process, and how they are masked in a finished line.

Contract: a known secret is found in whatever field, message or error it turns up, also in the spelling that a
layout gives its characters. Replacing whole lines costs some 50 ns a secret, so the number kept is bounded.
"""

from collections.abc import Iterable

from coderai.logs import layouts, notation

SHORTEST_SECRET = 8  # shorter ones are words, and masking them would garble every line
SECRETS_KEPT = 256  # old keys stay masked after a reload; hourly rotation keeps ten days of them
MASK = b"***"


class Secrets:
    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, ...]] = {}  # in order of arrival, each with its spellings
        self._spellings: list[bytes] = []

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            if len(value) >= SHORTEST_SECRET:
                self._known.pop(value, None)
                self._known[value] = _spellings(value)
        for oldest in list(self._known)[:-SECRETS_KEPT]:
            del self._known[oldest]
        # The longest first: one secret may begin with another.
        self._spellings = sorted({s for known in self._known.values() for s in known}, key=len, reverse=True)

    def mask(self, line: bytes) -> bytes:
        for secret in self._spellings:
            if secret in line:
                line = line.replace(secret, MASK)
        return line


def _spellings(secret: str) -> tuple[bytes, ...]:
    plain = secret.encode(errors="backslashreplace")
    return (
        plain,
        layouts.json_value(secret)[1:-1],
        notation.quote(secret)[1:-1].encode(errors="backslashreplace"),
    )
