"""The store: the audit trail, the users and their tokens, over the driver of one database.

`write` is the hot path and is called by the recorder alone. All methods raise StoreUnavailable when the
database cannot do its work now. `trail`, `people` and `purge` hold the questions that each of those subjects
asks.
"""

from collections.abc import Sequence
from functools import partial

from coderai.records import Record, Thread
from coderai.store import times
from coderai.store.driver import BadData, Connection, Driver
from coderai.store.people import People
from coderai.store.purge import Purge
from coderai.store.rows import INSERT_OBJECT
from coderai.store.trail import Trail
from coderai.store.writing import insert, substitute


class Store:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.trail = Trail(driver)
        self.people = People(driver)
        self.purge = Purge(driver)
        self.unstorable = 0  # records that the database did not take, and that were stored as errors instead

    async def write(self, batch: Sequence[Record]) -> dict[str, Thread]:
        """Commit these records in one transaction; returns the threads found, by interception id.

        Writing the same records again changes nothing. If one has a value that the database does not take,
        the batch is halved down to it, and it is stored as an error of its interception: one user cannot
        stop the rest.
        """
        try:
            return await self._driver.transaction(lambda db: insert(db, batch))
        except BadData as error:
            if len(batch) == 1:
                await self._driver.transaction(partial(substitute, record=batch[0], reason=str(error)))
                self.unstorable += 1
                return {}
        half = len(batch) // 2
        return await self.write(batch[:half]) | await self.write(batch[half:])

    async def own(self, provider_name: str, object_id: str, initiator_id: str) -> None:
        """Note that this user created this object of the provider's, unless it is another's already."""
        row = (provider_name, object_id, initiator_id, times.text(times.now()))

        def add(db: Connection) -> None:
            db.execute(INSERT_OBJECT, row)

        await self._driver.transaction(add)

    async def owner(self, provider_name: str, object_id: str) -> str | None:
        """The id of the user whose recorded request created this object of the provider's."""
        rows = await self._driver.fetch(
            "SELECT initiator_id FROM aibridge_provider_objects WHERE provider_name = ? AND object_id = ?",
            (provider_name, object_id),
        )
        return rows[0][0] if rows else None

    async def ping(self) -> None:
        await self._driver.fetch("SELECT 1 FROM users LIMIT 1")

    async def close(self) -> None:
        await self._driver.close()
