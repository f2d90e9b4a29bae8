"""The store: the audit trail, the users and their tokens, over the driver of one database.

`write` is the hot path and is called by the recorder alone. All methods raise StoreUnavailable when the
database cannot do its work now. `trail`, `people`, `purge` and `instances` hold the questions that each of those
subjects asks.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from coderai.records import Record, Thread, new_id
from coderai.store import refused
from coderai.store.audit import Verdict, verify
from coderai.store.chains import Anchors
from coderai.store.driver import BadData, Driver, StoreUnavailable, marks
from coderai.store.instances import Instances
from coderai.store.migrate import copy
from coderai.store.people import People
from coderai.store.purge import Purge
from coderai.store.seals import ChainHead
from coderai.store.trail import Trail
from coderai.store.writing import NotAsWritten, Outcome, Writing


class EachWritten(NamedTuple):
    records: Sequence[Record]  # as they were stored, without those that were refused
    threads: dict[str, Thread]  # by interception id


_OWNER = "SELECT initiator_id FROM aibridge_provider_objects WHERE object_id = ? AND provider_name IN "


class Store:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.instance_id = new_id()  # of this process, for the database
        self.trail = Trail(driver)
        self.people = People(driver)
        self.purge = Purge(driver)
        self.instances = Instances(driver, self.instance_id)
        self.unstorable = 0  # records that the database did not take, and that were stored as errors instead
        self._writing = Writing(self.instance_id)
        self._failures = 0  # of the last commits; or they seemed to fail

    async def write(self, batch: Sequence[Record], *, at_once: bool = False, late: bool = False) -> dict[str, Thread]:
        """Commit these records in one transaction; returns the threads found, by interception id. at_once: see driver.
        late: so long after they were made that others may have ended their interceptions, or retention passed by.

        Writing the same records again changes nothing. Raises BadData, with nothing written, if one has a value
        that the database does not take.
        """
        await self.instances.join()
        try:
            outcome = await self._write(batch, at_once, late)
        except Exception as error:
            self._writing.failed(batch)
            self._failures += not isinstance(error, BadData)  # of that one, nothing was written
            raise
        self._failures = 0
        self._writing.committed(outcome)
        return outcome.threads

    async def write_each(self, batch: Sequence[Record], *, late: bool = False) -> EachWritten:
        """The same where BadData was raised: the batch is halved down to the record that is refused, and that one is
        stored as an error of its interception: one user cannot stop the rest.
        """
        return await self._write_each(batch, late, {})

    async def _write_each(self, batch: Sequence[Record], late: bool, refusals: dict[str, str]) -> EachWritten:
        batch = [refused.telling(record, refusals) for record in batch]
        try:
            return EachWritten(batch, await self.write(batch, late=late))
        except BadData as error:
            if len(batch) == 1:
                refusals[batch[0].interception_id] = await self._substitute(batch[0], error)
                return EachWritten([], {})
        half = len(batch) // 2
        first = await self._write_each(batch[:half], late, refusals)
        second = await self._write_each(batch[half:], late, refusals)
        return EachWritten([*first.records, *second.records], first.threads | second.threads)

    async def _substitute(self, record: Record, error: BadData) -> str:
        message = refused.refusal(record, error)
        try:
            await self._driver.transaction(lambda db: refused.substitute(db, record, self.instance_id, message))
        except BadData as fault:
            raise StoreUnavailable(f"the database takes no record at all: {fault}") from None
        self.unstorable += 1
        return message

    async def _write(self, batch: Sequence[Record], at_once: bool, late: bool) -> Outcome:
        if not self._failures and not late:
            try:
                return await self._driver.transaction(lambda db: self._writing.insert(db, batch), at_once=at_once)
            except NotAsWritten:
                pass
        return await self._driver.transaction(lambda db: self._writing.carefully(db, batch), failures=self._failures)

    @property
    def head(self) -> ChainHead:
        """The last seal of this process."""
        return self._writing.head

    async def verify(self, since: str, until: str, anchors: Anchors) -> Verdict:
        """Whether the trail is as it was written; see audit.py."""
        return await self._driver.snapshot(lambda db: verify(db, since, until, anchors), unlimited=True)

    async def check(self) -> list[str]:
        """What is wrong with the database, a line each."""
        return await self._driver.check()

    async def vacuum(self) -> None:
        await self._driver.vacuum()

    async def backup(self, path: Path) -> None:
        """Raises StoreUnavailable where it cannot be made."""
        await self._driver.backup(path)

    async def copy_to(self, target: "Store", report: Callable[[str, int], None]) -> None:
        """All that is in it. Raises CannotCopy."""
        await copy(self._driver, target._driver, report)

    async def owner(self, provider_names: Sequence[str], object_id: str) -> str | None:
        """The id of the user whose recorded request created this object of the provider's."""
        try:
            rows = await self._driver.fetch(_OWNER + marks(len(provider_names)), (object_id, *provider_names))
        except BadData:  # what cannot be stored was not
            return None
        return rows[0][0] if rows else None

    async def ping(self) -> None:
        await self._driver.fetch("SELECT 1 FROM users LIMIT 1")

    async def close(self) -> None:
        await self._driver.close()
