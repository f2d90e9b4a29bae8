"""Times as the database holds them: RFC 3339 in UTC with six digits and `Z`, so that text sorts as time does.

Elsewhere a time is an integer, microseconds since the epoch. https://www.rfc-editor.org/rfc/rfc3339
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=64)  # the records of a batch share a few seconds
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


@lru_cache(maxsize=256)  # and those of an interception two times: 0.1 us a time instead of 1.2
def text(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"


def microseconds(text: str) -> int:
    """Raises ValueError, and TypeError for a time that names no zone."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def now() -> int:
    return time.time_ns() // 1000
