"""Group commit: whoever puts records gets a future, which is done once they are stored (and logged).

One task writes. While a batch commits, the next one gathers, so a busy gateway makes few and large
transactions and an idle one commits at once. An accepted record is never dropped: a commit that fails is
tried again until it succeeds. Its waiters wait for as long as the grace period; then they are told that their
records are not stored yet, and `refusal` that no new requests are to be taken. Records go to the log after their
commit, so no line tells of what is not stored.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Protocol

from coderai.commits import Commits
from coderai.gathering import ALONE, Gathering, Waiter, fail
from coderai.grace import GRACE_SECONDS, Grace
from coderai.logs import Logger
from coderai.records import Record, Thread
from coderai.store import Store
from coderai.store.storable import fitted

# Records in memory that are not stored yet: some 100 MB if all hold long prompts; at 200 requests a second
# more than the grace period brings.
BACKLOG_LIMIT = 20_000
# Records of a request that is served alone which the loop's own thread commits: a millisecond.
AT_ONCE_LIMIT = 100
# Records that have waited for longer are late: in that time another process may take this one for dead.
LATE_SECONDS = 20.0
# A database that cannot be written must not hold up the end of the process for ever.
DRAIN_SECONDS = 10.0


_TOO_LATE = "the database could not be written in time"


class RecordSink(Protocol):
    """Where records become log lines. Takes no longer than it is allowed to hold up the ends of answers."""

    async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None: ...


class NotStored(Exception):
    """These records could not be stored in time: the grace period is over, or the recorder closed."""


class Recorder:
    def __init__(
        self,
        store: Store,
        log: Logger,
        record_log: RecordSink | None = None,
        *,
        grace: float = GRACE_SECONDS,
        backlog_limit: int = BACKLOG_LIMIT,
    ) -> None:
        self._log = log
        self.record_log = record_log  # may be changed at any time
        self.alone: Callable[[], bool] = lambda: False  # whether only one request is being served
        self._record_log_failing = False
        self._backlog_limit = backlog_limit
        self._loop = asyncio.get_running_loop()
        self._gathering = Gathering(self._loop)
        self._unstored: list[Waiter] = []  # the batch that is being committed
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.backlog = 0  # records accepted and not yet stored
        self.grace = Grace(log, grace, backlog=lambda: self.backlog, over=self._give_all_up)
        self._commits = Commits(store, log, self.grace)
        self._task = self._loop.create_task(self._write_on(), name="recorder")

    def put(
        self,
        records: Sequence[Record],
        *,
        hurry: bool = True,
        late: bool = False,
        then: Callable[[], None] | None = None,
    ) -> asyncio.Future[None]:
        """Accept these records, to be stored together and in order; the future is done when they are.

        Without hurry they wait a moment for others to be stored with, unless somebody calls `hurry`. late: they are an
        earlier process's. `then` is called when they are stored, unless the future has been cancelled. That is a turn
        of the loop before whoever awaits the future goes on, and gets what it raises.
        """
        done = self._loop.create_future()
        if self._closed or self._task.done():
            fail(done, NotStored("the recorder is closed"))
        elif not records:
            done.set_result(None)
        else:
            waiter = Waiter([fitted(record) for record in records], done, then, -inf if late else self._loop.time())
            self._accept(waiter, hurry=hurry)
            if self.grace.is_over:
                waiter.give_up(NotStored(_TOO_LATE))
        return done

    def _accept(self, waiter: Waiter, *, hurry: bool) -> None:
        self.backlog += len(waiter.records)
        self._idle.clear()
        self._gathering.add(waiter, hurry=hurry)

    def withhold(self, done: asyncio.Future[None]) -> None:
        """The end among the records that `put` gave this future for does not reach its client any more."""
        for waiter in self._waiting():
            if waiter.done is done:
                waiter.withhold()

    def hurry(self) -> None:
        """Somebody waits for what has been put."""
        self._gathering.hurry()

    def refusal(self) -> str | None:
        """Why no new request may be taken now, in words for the client; None if all is well."""
        if self._closed:
            return "the server is stopping; try again shortly"
        if self._task.done():
            return "audit records cannot be stored any more: the server has to be started again"
        if self.backlog > self._backlog_limit:
            return "too many audit records are waiting to be stored; try again shortly"
        if self.grace.is_over:
            return "audit records cannot be stored at the moment; try again shortly"
        return None

    async def close(self, drain: float = DRAIN_SECONDS) -> list[Record]:
        """Store what is left, for so many seconds at most; returns what could not be stored."""
        self._closed = True
        self.hurry()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), drain)
        self._task.cancel()
        await asyncio.wait([self._task])
        left = _records(self._waiting())
        if left:
            self._log.error("records could not be stored before the end", records=len(left))
        return left

    async def _write_on(self) -> None:
        waiters: list[Waiter] = []
        try:
            while True:
                self._unstored = waiters = await self._gathering.batch(after=len(waiters))
                count = sum(len(waiter.records) for waiter in waiters)
                late = waiters[0].since < self._loop.time() - LATE_SECONDS
                now = len(waiters) <= ALONE and count <= AT_ONCE_LIMIT and self.alone()
                sent, stored, threads = await self._commits.commit(partial(_records, waiters), at_once=now, late=late)
                self._unstored = []
                self._correct(sent, waiters)
                await self._write_log(stored, threads)
                self._release(waiters, count)
        except Exception as fault:
            self._log.fault("the recorder failed", fault)
        finally:  # closed, with records that could not be stored
            self._give_all_up()
            for waiter in waiters:
                waiter.give_up(NotStored(_TOO_LATE))

    def _correct(self, sent: Sequence[Record], waiters: Sequence[Waiter]) -> None:
        """What has become of records while they were on their way into the store follows behind them."""
        if not any(waiter.done.done() for waiter in waiters):  # given up, or cancelled
            return
        if changed := [now for now, before in zip(_records(waiters), sent, strict=True) if now is not before]:
            self._accept(Waiter(changed, self._loop.create_future(), None, self._loop.time()), hurry=True)

    def _waiting(self) -> Sequence[Waiter]:
        """Whose records are not stored yet."""
        return (*self._unstored, *self._gathering.waiting)

    def _give_all_up(self) -> None:
        for waiter in self._waiting():
            waiter.give_up(NotStored(_TOO_LATE))

    async def _write_log(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
        if self.record_log is None:
            return
        try:
            await self.record_log.write(batch, threads)
        except Exception as fault:  # the records are stored: a log that fails must not hold up any answer
            if not self._record_log_failing:
                self._log.fault("records cannot be logged", fault)
            self._record_log_failing = True
        else:
            self._record_log_failing = False

    def _release(self, waiters: Sequence[Waiter], count: int) -> None:
        self.backlog -= count
        for waiter in waiters:
            waiter.tell()
        if not self.backlog:
            self._idle.set()


def _records(waiters: Sequence[Waiter]) -> list[Record]:
    return [record for waiter in waiters for record in waiter.records]
