"""What is wrong with providers, for whoever runs the gateway: once when it begins, and once when it is over."""

import time
from typing import Any

from coderai.logs import Logger

# All must have been well for so long: one provider may answer one request and not the next.
OVER_SECONDS = 60.0


class Troubles:
    def __init__(self, log: Logger) -> None:
        self._log = log
        self._last: dict[str, tuple[str, float]] = {}  # by provider: what, and when it was seen last; monotonic

    def seen(self, provider: str, what: str, **fields: Any) -> None:
        known, _ = self._last.get(provider, ("", 0.0))
        if known != what:
            self._log.warn(what, provider=provider, **fields)
        self._last[provider] = (what, time.monotonic())

    def __bool__(self) -> bool:
        return bool(self._last)

    def answered(self, provider: str) -> None:
        """Whatever is wrong with it, not now."""
        if provider in self._last:
            what, seen = self._last[provider]
            if time.monotonic() - seen > OVER_SECONDS:
                del self._last[provider]
                self._log.info("the provider answers again", provider=provider, before=what)
