"""Batches of records on their way into the store: each is tried until it is there, whatever that takes.

What a database refuses for good, a value or a row, costs no other record its place: it is stored as far as that can be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from coderai.grace import Grace
from coderai.logs import Logger
from coderai.records import Record, Thread
from coderai.store import BadData, Store
from coderai.store.storable import storable
from coderai.store.store import EachWritten

# Waits between tries of a failed commit: short at first, for a lock that is held for a moment.
FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 2.0

T = TypeVar("T")
Batch = Callable[[], Sequence[Record]]


class Commits:
    def __init__(self, store: Store, log: Logger, grace: Grace) -> None:
        self._store = store
        self._log = log
        self._grace = grace

    async def commit(
        self, batch: Batch, *, at_once: bool, late: bool
    ) -> tuple[Sequence[Record], Sequence[Record], Mapping[str, Thread]]:
        """The batch as it was stored, what was stored of it, and the threads that its interceptions are in.

        batch: the records as they are at each try. at_once: the loop's own thread may do it. late: these are an
        earlier process's, or have waited for long.
        """
        try:
            sent, threads = await self._until_done(batch, partial(self._store.write, at_once=at_once, late=late))
            return sent, sent, threads
        except BadData:
            sent, written = await self._until_done(batch, partial(self._write_each, late=late))
            return sent, written.records, written.threads

    async def _write_each(self, batch: Sequence[Record], late: bool) -> EachWritten:
        return await self._store.write_each([storable(record) for record in batch], late=late)

    async def _until_done(
        self, batch: Batch, write: Callable[[Sequence[Record]], Awaitable[T]]
    ) -> tuple[Sequence[Record], T]:
        """Raises BadData, where `write` does."""
        wait = FIRST_RETRY_SECONDS
        refused = self._store.unstorable
        self._grace.begin()
        try:
            while True:
                sent = batch()
                try:
                    written = await write(sent)
                except BadData:
                    raise
                except Exception as error:  # whatever it is, the records are kept and tried again
                    self._grace.failed(error)
                else:
                    self._grace.worked()
                    if more := self._store.unstorable - refused:
                        self._log.error("records hold values that the database refuses", records=more)
                    return sent, written
                await asyncio.sleep(wait)
                wait = min(2 * wait, LAST_RETRY_SECONDS)
        finally:
            self._grace.end()
