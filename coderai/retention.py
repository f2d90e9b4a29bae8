"""Deletes what is older than the retention: at start and every ten minutes, in small transactions.

Between two of them the writer is left alone for as long as the last one took, so a purge of whatever size
takes at most half of the writer's time and no request waits longer than for one small transaction.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from coderai.logs import Logger
from coderai.store import Store, StoreUnavailable, times

INTERVAL_SECONDS = 600.0
# A rest below this would be swallowed by the loop's own delays; recorders get in between.
SHORTEST_REST_SECONDS = 0.005

# From a cutoff (microseconds) to the rows that were deleted, by table.
Batch = Callable[[int], Awaitable[dict[str, int]]]


class Retention:
    """`seconds`: how long all is kept; `content_seconds`: how long the contents are. 0 keeps them for ever. Both may
    change at any time and count from the next purge on.
    """

    def __init__(self, store: Store, log: Logger, seconds: float = 0, content_seconds: float = 0) -> None:
        self._store = store
        self._log = log
        self.seconds = seconds
        self.content_seconds = content_seconds

    async def run(self) -> None:
        """Purge again and again, for as long as the process lives."""
        while True:
            await self.purge()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def purge(self) -> dict[str, int]:
        """Delete all that is too old now; rows by table."""
        if not self.seconds and not self.content_seconds:
            return {}
        counts: dict[str, int] = {}
        began = time.monotonic()
        try:
            if self.seconds:
                await self._delete(self._store.purge.batch, self.seconds, counts)
            if self.content_seconds:
                await self._delete(self._store.purge.contents, self.content_seconds, counts)
        except StoreUnavailable as error:
            self._log.error("old records could not be deleted, next try in ten minutes", error=str(error), **counts)
        else:
            if counts:
                self._log.info("deleted old records", **counts, seconds=round(time.monotonic() - began, 2))
            else:
                self._log.debug("no records are old enough to be deleted", retention=timedelta(seconds=self.seconds))
        return counts

    async def _delete(self, batch: Batch, seconds: float, counts: dict[str, int]) -> None:
        cutoff = times.now() - int(seconds * 1_000_000)
        found = False
        while True:
            began = time.monotonic()
            deleted = await batch(cutoff)
            found = found or bool(deleted)
            more_space = found and await self._store.purge.reclaim()
            for table, count in deleted.items():
                counts[table] = counts.get(table, 0) + count
            if not deleted and not more_space:
                return
            await asyncio.sleep(max(time.monotonic() - began, SHORTEST_REST_SECONDS))
