"""How much is taken at once: requests at a time in all, and requests per second of one user. For this process."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from coderai.gateway.refusal import Refusal

WINDOW_S = 1.0
# Users whose last second is remembered; beyond that, those who have been quiet are forgotten.
USERS = 10_000


class Limits:
    """`max_concurrency` and `rate_limit`, 0 for none, may be changed at any time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_concurrency = 0
        self.rate_limit = 0
        self._clock = clock
        self._running = 0
        self._emptied: asyncio.Event | None = None  # once somebody waits for it
        self._recent: dict[str, deque[float]] = {}  # of each user, the times of the last second's requests

    def enter(self) -> None:
        """A request begins; whoever calls it calls `leave` at its end. Raises Refusal."""
        if self.max_concurrency and self._running >= self.max_concurrency:
            raise Refusal(503, "AI Gateway is currently at capacity. Please try again later.", retry=True)
        self._running += 1

    def leave(self) -> None:
        self._running -= 1
        if self._emptied is not None and not self._running:
            self._emptied.set()

    async def wait_until_idle(self, seconds: float) -> None:
        """No longer than that."""
        if self._running:
            self._emptied = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)

    def idle(self) -> bool:
        """Whether there is no request."""
        return not self._running

    def alone(self) -> bool:
        """Whether there is no request but one."""
        return self._running <= 1

    def admit(self, user_id: str) -> None:
        """One more request of this user. Raises Refusal."""
        if not self.rate_limit:
            return
        now = self._clock()
        recent = self._recent.get(user_id)
        if recent is None:
            if len(self._recent) >= USERS:
                self._forget(now)
            recent = self._recent[user_id] = deque()
        while recent and recent[0] <= now - WINDOW_S:
            recent.popleft()
        if len(recent) >= self.rate_limit:
            raise Refusal(429, "You've been rate limited. Please try again later.", retry=True, retry_after=1)
        recent.append(now)

    def _forget(self, now: float) -> None:
        self._recent = {user: recent for user, recent in self._recent.items() if recent and recent[-1] > now - WINDOW_S}
