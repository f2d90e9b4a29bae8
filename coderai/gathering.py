"""Which records the next batch is made of: those that have come by now, and how long it waits for more.

While a batch commits, the next one gathers. Nothing here knows of a database.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from coderai.records import NOT_STORED, Ended, Record

# How long records that nobody waits for may be held, so that the next request's join their commit.
GATHER_SECONDS = 0.002
# Where others came along last time, a commit waits for so many turns of the loop, and no longer than so many seconds:
# half of what it costs is the same for one record as for twenty.
BUSY_TURNS = 8
BUSY_SECONDS = 0.001
# Unless the first of them has waited for so long already: amid many streams a turn takes as long as ten commits.
PATIENCE_SECONDS = 0.01
# One exchange has at most this many waiters: its start and its end.
ALONE = 2
# Records in one transaction: 10 ms of the writer's time, so that one commit never holds up the next for long.
BATCH_LIMIT = 1000


class Waiter(NamedTuple):
    """Records that are stored together, and who waits for them: `done`, and `then` a turn of the loop before."""

    records: list[Record]
    done: asyncio.Future[None]
    then: Callable[[], None] | None
    since: float  # by the loop's clock

    def tell(self) -> None:
        """They are stored."""
        done = self.done
        if done.done():  # cancelled, or given up: they are stored like any others
            return
        fault = None
        try:
            if self.then is not None:
                self.then()
        except Exception as error:
            fault = error
        if done.cancelled():  # by what was called
            return
        if fault is None:
            done.set_result(None)
        else:
            done.set_exception(fault)

    def give_up(self, error: Exception) -> None:
        """They are not stored yet, and nobody waits for them any longer; they are kept all the same."""
        if not self.done.done():
            self.withhold()
            fail(self.done, error)

    def withhold(self) -> None:
        """An end that its client does not get says so."""
        self.records[:] = [_withheld(record) for record in self.records]


def fail(done: asyncio.Future[None], error: Exception) -> None:
    """Tells who waits; nobody may be waiting any more."""
    done.set_exception(error)
    done.exception()


def _withheld(record: Record) -> Record:
    end = record.finding
    if isinstance(end, Ended) and end.error_type is None:  # what the provider says of itself goes before
        return replace(record, finding=replace(end, error_type=NOT_STORED))
    return record


class Gathering:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting: deque[Waiter] = deque()
        self._loop = loop
        self._arrived = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiter: Waiter, *, hurry: bool) -> None:
        """Without hurry it waits a moment for others, unless somebody calls `hurry`."""
        self.waiting.append(waiter)
        if hurry:
            self._arrived.set()
        elif self._timer is None:
            self._timer = self._loop.call_later(GATHER_SECONDS, self.hurry)

    def hurry(self) -> None:
        if self.waiting:
            self._arrived.set()

    async def batch(self, *, after: int) -> list[Waiter]:
        """Waits for the next batch, of one waiter at least; nobody's records are parted. after: waiters in the last."""
        await self._arrived.wait()
        if after > ALONE:
            await self._busy()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch: list[Waiter] = []
        size = 0
        while self.waiting and (not batch or size + len(self.waiting[0].records) <= BATCH_LIMIT):
            batch.append(self.waiting.popleft())
            size += len(batch[-1].records)
        if not self.waiting:
            self._arrived.clear()
        return batch

    async def _busy(self) -> None:
        """Waits a moment for what else is about to come."""
        until = min(self._loop.time() + BUSY_SECONDS, self.waiting[0].since + PATIENCE_SECONDS)
        for _ in range(BUSY_TURNS):
            if self._loop.time() > until:
                break
            await asyncio.sleep(0)
