"""What is wrong with providers, for whoever runs the gateway: once when it begins, and once when it is over."""

import time
from typing import Any

from coderai.logs import Logger

# All must have been well for so long: one provider may answer one request and not the next.
OVER_SECONDS = 60.0


class Troubles:
    def __init__(self, log: Logger) -> None:
        self._log = log
        self._last: dict[tuple[str, str], float] = {}  # by provider and what: when it was seen last; monotonic

    def seen(self, provider: str, what: str, **fields: Any) -> None:
        if (provider, what) not in self._last:
            self._log.warn(what, provider=provider, **fields)
        self._last[provider, what] = time.monotonic()

    def __bool__(self) -> bool:
        return bool(self._last)

    def over(self, provider: str, what: str) -> None:
        """Not so at the moment."""
        seen = self._last.get((provider, what))
        if seen is not None and time.monotonic() - seen > OVER_SECONDS:
            del self._last[provider, what]
            self._log.info("a provider's trouble is over", provider=provider, trouble=what)
