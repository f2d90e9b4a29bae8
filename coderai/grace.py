"""How long a store may fail before no new requests are taken: the grace period of one commit after another.

The ends of answers wait for as long; then they are cut off. What happens is logged once per change of state.
"""

import asyncio
import time
from collections.abc import Callable

from coderai.logs import Logger

GRACE_SECONDS = 10.0
# A timer that is so late tells of a process that stood still itself (SIGSTOP, a suspended machine).
STOOD_STILL_SECONDS = 1.0
# A commit may take its time without anything being wrong.
SHORTEST_GRACE_SECONDS = 0.1


class Grace:
    """`over` is called when a commit has taken longer than `seconds`, which may be changed at any time.

    backlog: how many records wait, for the log.
    """

    def __init__(self, log: Logger, seconds: float, backlog: Callable[[], int], over: Callable[[], None]) -> None:
        self.seconds = seconds
        self.is_over = False  # a commit has taken longer, and goes on
        self.failing_since: float | None = None  # monotonic, of the first failure in a row
        self._began = 0.0  # monotonic, of the commit that is under way
        self._log = log
        self._backlog = backlog
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None  # of the commit that is under way

    def begin(self) -> None:
        """A commit begins."""
        self._began = time.monotonic()
        seconds = max(self.seconds, SHORTEST_GRACE_SECONDS)
        self._timer = self._loop.call_later(seconds, self._passed, self._loop.time() + seconds)

    def end(self) -> None:
        """The commit is over, however it went."""
        if self._timer is not None:
            self._timer.cancel()

    def _passed(self, due: float) -> None:
        if self._loop.time() - due > STOOD_STILL_SECONDS:  # the store has had no chance
            return self.begin()
        self.is_over = True
        self._log.error(
            "new requests are refused until records can be stored", backlog=self._backlog(), grace_s=self.seconds
        )
        self._over()

    def failed(self, error: Exception) -> None:
        """A try of the commit that is under way has."""
        if self.failing_since is None:
            self.failing_since = self._began
            self._log.error(
                "records cannot be stored, they wait in memory", error=str(error), kind=type(error).__name__
            )

    def worked(self) -> None:
        """A commit has succeeded."""
        if self.failing_since is not None or self.is_over:
            since = self._began if self.failing_since is None else self.failing_since  # it may only have been slow
            seconds = round(time.monotonic() - since, 1)
            self.failing_since = None
            self.is_over = False
            self._log.info("records are stored again", failing_seconds=seconds, backlog=self._backlog())
