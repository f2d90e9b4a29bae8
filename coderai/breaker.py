"""Circuit breakers: a provider that cannot serve a model is left alone for a while, instead of asked in vain.

One for each provider, endpoint and model. Closed, it counts failures in a row, anew in every interval; so many open
it. Open, nothing passes until the timeout is over. Half-open, a few requests pass: if all of them succeed it is closed
again, the first failure opens it. What was let through before a change of state does not count after it.
https://martinfowler.com/bliki/CircuitBreaker.html
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

# A client can name any model: of that many breakers those are kept that were used last, the open ones before others;
MOST_BREAKERS = 1000
# and of names that differ only beyond so many characters, one.
LONGEST_MODEL = 256


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerLimits(NamedTuple):
    """Times in seconds."""

    failure_threshold: int = 5
    interval: float = 10.0  # 0: failures are never counted anew
    timeout: float = 30.0
    max_requests: int = 3


class Open(Exception):
    """Nothing passes for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__("circuit breaker is open")
        self.seconds = seconds


class Breaker:
    def __init__(
        self,
        limits: BreakerLimits,
        changed: Callable[[State, State], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State.CLOSED
        self._limits = limits
        self._changed = changed
        self._clock = clock
        self._era = 0  # rises with each change of state, and each interval
        self._since = clock()
        self._failures = 0  # in a row
        self._let_through = 0  # while half-open
        self._successes = 0  # while half-open

    def enter(self) -> int:
        """Raises Open; else returns what `leave` is to be called with."""
        now = self._clock()
        if self.state is State.OPEN:
            left = self._since + self._limits.timeout - now
            if left > 0:
                raise Open(left)
            self._become(State.HALF_OPEN, now)
        elif self.state is State.CLOSED and 0 < self._limits.interval <= now - self._since:
            self._begin(now)
        if self.state is State.HALF_OPEN:
            if self._let_through >= self._limits.max_requests:
                raise Open(1.0)  # until those that were let through have told
            self._let_through += 1
        return self._era

    def leave(self, era: int, success: bool | None) -> None:
        """success: None where nothing was learnt (the client has gone)."""
        if era != self._era:
            return
        if success is None:
            self._let_through -= self.state is State.HALF_OPEN
        elif self.state is State.HALF_OPEN:
            self._successes += success
            if not success:
                self._become(State.OPEN, self._clock())
            elif self._successes >= self._limits.max_requests:
                self._become(State.CLOSED, self._clock())
        elif self.state is State.CLOSED:
            self._failures = 0 if success else self._failures + 1
            if self._failures >= self._limits.failure_threshold:
                self._become(State.OPEN, self._clock())

    def _become(self, state: State, now: float) -> None:
        before, self.state = self.state, state
        self._begin(now)
        self._changed(before, state)

    def _begin(self, now: float) -> None:
        self._era += 1
        self._since = now
        self._failures = self._let_through = self._successes = 0


class Breakers:
    """All of them, none until `set` gives limits; with other limits, all begin anew."""

    def __init__(self, changed: Callable[[str, str, str, State, State], None]) -> None:
        self._limits: BreakerLimits | None = None
        self._changed = changed
        self._breakers: OrderedDict[tuple[str, str, str], Breaker] = OrderedDict()

    def set(self, limits: BreakerLimits | None) -> None:
        if limits != self._limits:
            self._limits = limits
            self._breakers.clear()

    def of(self, provider: str, endpoint: str, model: str) -> Breaker | None:
        if self._limits is None:
            return None
        which = (provider, endpoint, model[:LONGEST_MODEL])
        breaker = self._breakers.get(which)
        if breaker is None:
            breaker = self._breakers[which] = Breaker(
                self._limits, lambda before, after: self._changed(*which, before, after)
            )
            if len(self._breakers) > MOST_BREAKERS:
                closed = (old for old, breaker in self._breakers.items() if breaker.state is State.CLOSED)
                del self._breakers[next(closed)]  # at least the new one is
        else:
            self._breakers.move_to_end(which)
        return breaker


class Passage(NamedTuple):
    """A request that a circuit breaker has let through, and has to hear of."""

    breaker: Breaker
    era: int
    failures: frozenset[int]

    def tell(self, status: int | None) -> None:
        """None: there was no answer that tells anything."""
        self.breaker.leave(self.era, None if status is None else status not in self.failures)
