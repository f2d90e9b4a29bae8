"""Deleting what is older than a cutoff, in transactions so small that no writer waits long for one.

Rows of the tables below an interception go with it, in the same transaction, so that at no moment an orphan
is there to be seen. Whoever calls `batch` leaves the writer time between two calls.
"""

from coderai.store import times
from coderai.store.driver import Connection, Driver
from coderai.store.people import marks

# Interceptions (or provider objects) in one transaction: with their rows some 5 ms of the writer's time.
BATCH = 100

CHILD_TABLES = (
    "aibridge_model_thoughts",
    "aibridge_tool_usages",
    "aibridge_token_usages",
    "aibridge_user_prompts",
)
_OLD = "SELECT id FROM aibridge_interceptions WHERE started_at < ? ORDER BY started_at, id LIMIT ?"
_OLD_OBJECTS = """
    SELECT provider_name, object_id FROM aibridge_provider_objects WHERE created_at < ?
    ORDER BY created_at LIMIT ?"""
_DELETE_OBJECT = "DELETE FROM aibridge_provider_objects WHERE provider_name = ? AND object_id = ?"


class Purge:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def batch(self, cutoff: int) -> dict[str, int]:
        """Delete some of what is older than this time; rows by table, and nothing once all is gone."""
        before = times.text(cutoff)

        def work(db: Connection) -> dict[str, int]:
            return {
                table: count for table, count in (_interceptions(db, before) | _objects(db, before)).items() if count
            }

        return await self._driver.transaction(work)

    async def reclaim(self) -> bool:
        """Give some freed space back to the file system; whether there is more."""
        return await self._driver.reclaim()


def _interceptions(db: Connection, before: str) -> dict[str, int]:
    ids = [row[0] for row in db.execute(_OLD, (before, BATCH)).fetchall()]
    if not ids:
        return {}
    among = marks(len(ids))
    counts = {
        table: db.execute(f"DELETE FROM {table} WHERE interception_id IN {among}", ids).rowcount  # noqa: S608 - own names
        for table in CHILD_TABLES
    }
    counts["aibridge_interceptions"] = len(ids)
    db.execute(f"DELETE FROM aibridge_interceptions WHERE id IN {among}", ids)  # noqa: S608 - question marks only
    return counts


def _objects(db: Connection, before: str) -> dict[str, int]:
    keys = db.execute(_OLD_OBJECTS, (before, BATCH)).fetchall()
    if keys:
        db.executemany(_DELETE_OBJECT, keys)
    return {"aibridge_provider_objects": len(keys)}
