"""Lengths of time as people write them: Go's syntax (`1h30m`, `90s`, `1.5h`, a bare `0`) plus `d` and `w`.

A `Duration` keeps the text it was written as, so that a printed setting is the one that was given, and counts
in whole nanoseconds, so that `60d` equals `1440h`. Spec: https://pkg.go.dev/time#ParseDuration
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3_600 * 1_000_000_000,
    "d": 86_400 * 1_000_000_000,
    "w": 604_800 * 1_000_000_000,
}
LONGEST = 2**63 - 1  # nanoseconds in Go's int64, some 292 years: what reads here must read there
LONGEST_TEXT = 64  # far beyond any sensible spelling; keeps the arithmetic below bounded

_TERM = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", re.ASCII)
_WHOLE = re.compile(rf"(?:{_TERM.pattern})+", re.ASCII)


@dataclass(frozen=True)
class Duration:
    """`Duration("60d")`; raises ValueError with the reason."""

    text: str = field(compare=False)
    nanoseconds: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nanoseconds", _nanoseconds(self.text))

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1_000_000_000

    def __str__(self) -> str:
        return self.text


def _nanoseconds(text: str) -> int:
    if text == "0":
        return 0
    if text.startswith("-"):
        raise ValueError("it must not be negative")
    if len(text) > LONGEST_TEXT:
        raise ValueError("it is too long")
    if not _WHOLE.fullmatch(text):
        bare_number = re.fullmatch(r"\d+", text, re.ASCII)
        raise ValueError(f"a unit is missing ({text}s? {text}d?)" if bare_number else "it is not a duration")
    total = sum(int(Decimal(number) * NANOSECONDS[unit]) for number, unit in _TERM.findall(text))
    if total > LONGEST:
        raise ValueError("it is longer than 292 years; 0 means no limit where there is none")
    return total
