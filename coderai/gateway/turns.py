"""A few heavy steps in each turn of the event loop, so that a burst of requests does not hold up running streams.

Asyncio runs all that is ready before it looks at the sockets again: five hundred requests that begin at once would
keep every stream waiting for their sum. Here the next ones wait for another turn, behind the sockets that are ready.
"""

import asyncio
from collections import deque

# Some two milliseconds of work: a delay that nobody sees, and much more than it costs to look at the sockets.
STEPS = 32


class Turns:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = STEPS
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._ending = False  # the end of this turn has been asked for

    def wait(self) -> "asyncio.Future[None] | None":
        """To be awaited before the step; None if it may be taken at once."""
        if not self._ending:
            self._ending = True
            self._loop.call_soon(self._next)
        if self._left and not self._waiting:
            self._left -= 1
            return None
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiter)
        return waiter

    def _next(self) -> None:
        self._ending = False
        self._left = STEPS
        while self._waiting and self._left:
            waiter = self._waiting.popleft()
            if not waiter.done():  # its request may have been cancelled
                waiter.set_result(None)
                self._left -= 1
        if self._waiting:
            self._ending = True
            self._loop.call_soon(self._next)
