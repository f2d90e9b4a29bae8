"""What is wrong with providers, for whoever runs the gateway: once when it begins, and once when it is over."""

import time
from collections.abc import Callable
from typing import Any

from coderai.keys import CENTRALIZED, Keys
from coderai.logs import Logger

# By the error type of a call that had no answer. Keys that rest are told of one by one, where they begin to.
_UNANSWERED = {
    "upstream_unreachable": "the provider does not answer",
    "upstream_timeout": "the provider does not answer in time",
    "no_credentials": "there are no credentials for the provider",
}
_REFUSED = "the provider refuses its key"
# All must have been well for so long: one provider may answer one request and not the next.
OVER_SECONDS = 60.0


class Troubles:
    def __init__(self, log: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}  # by provider and what: when it was seen last

    def __bool__(self) -> bool:
        return bool(self._last)

    def unanswered(self, provider: str, address: str, error_type: str, error: str) -> None:
        """A call to this address that failed with this error type, in these words."""
        if (trouble := _UNANSWERED.get(error_type)) is not None:
            self._seen(provider, trouble, address=address, error=error)

    def answered(self, provider: str, status: int, keys: Keys) -> None:
        """What an answer of this status tells of the provider, and of the organisation's key."""
        for trouble in _UNANSWERED.values():
            self._over(provider, trouble)
        if keys.kind == CENTRALIZED and status != 401:
            self._over(provider, _REFUSED)
        elif keys.kind == CENTRALIZED and keys.single:
            self._seen(provider, _REFUSED, key=keys.hint)

    def _seen(self, provider: str, what: str, **fields: Any) -> None:
        if (provider, what) not in self._last:
            self._log.warn(what, provider=provider, **fields)
        self._last[provider, what] = self._clock()

    def _over(self, provider: str, what: str) -> None:
        """Not so at the moment."""
        seen = self._last.get((provider, what))
        if seen is not None and self._clock() - seen > OVER_SECONDS:
            del self._last[provider, what]
            self._log.info("a provider's trouble is over", provider=provider, trouble=what)
