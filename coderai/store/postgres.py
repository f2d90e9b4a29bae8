"""The PostgreSQL driver: three connections, each in a thread of its own, for writing, look-ups and reports.

https://www.psycopg.org/psycopg3/docs/
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from psycopg import errors

from coderai.store.driver import Connection, Occupied, Row, StoreUnavailable
from coderai.store.migrate import TABLES
from coderai.store.postgres_link import Link
from coderai.store.postgres_schema import is_current, migrate
from coderai.store.postgres_sql import Session
from coderai.store.postgres_url import require_readable, shown
from coderai.store.store import Store

T = TypeVar("T")

# A commit takes milliseconds; after this long, the server or the way to it stands still.
COMMIT_SECONDS = 5.0
# A thousand long prompts over a slow line take longer, and would never be stored: work that has failed gets twice the
# time at its next try, up to 80 s.
MOST_DOUBLINGS = 4
LOOKUP_SECONDS = 5.0
REPORT_SECONDS = 60.0
# Of advisory locks there is one space for all programs of a database: this is coderai's.
ALONE_LOCK = 0x636F646572616902
# Rows are held for milliseconds, but by a process that is stopped.
ALONE_LOCK_TIMEOUT = "1s"


async def open_postgres(url: str) -> Store:
    """The store in this database, whose schema is brought up to date. Raises StoreUnavailable."""
    require_readable(url)
    driver = Postgres(url)
    try:
        await driver.open()
    except BaseException:
        await driver.close()
        raise
    return Store(driver)


class Postgres:
    """A `Driver`."""

    octets = "octet_length({})"  # unlike length(), without decompressing it

    def __init__(self, url: str) -> None:
        self._writer = Link(url, "writer", COMMIT_SECONDS)
        self._lookups = Link(url, "lookups", LOOKUP_SECONDS, reads=True)
        self._reports = Link(url, "reports", REPORT_SECONDS, reads=True)

    async def open(self) -> None:
        if not await self._writer.run(is_current):
            # other replicas migrate one after another, and building an index takes as long as it takes
            await self._writer.run(migrate, unlimited=True)

    async def transaction(
        self, work: Callable[[Connection], T], *, exclusive: bool = False, at_once: bool = False, failures: int = 0
    ) -> T:
        times = 2 ** min(failures, MOST_DOUBLINGS)
        return await self._writer.run(lambda session: _transaction(session, work, exclusive), times=times)

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._lookups.run(lambda session: session.execute(sql, parameters).fetchall())

    async def report(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._reports.run(lambda session: session.execute(sql, parameters).fetchall())

    async def snapshot(self, work: Callable[[Connection], T], *, unlimited: bool = False) -> T:
        return await self._reports.run(lambda session: _snapshot(session, work), unlimited=unlimited)

    async def reclaim(self) -> bool:
        return False  # autovacuum's work

    async def check(self) -> list[str]:
        """PostgreSQL itself sees to foreign keys; what is left is whether every table can be read."""
        for table in TABLES:
            await self._reports.run(partial(_count, table=table.name), unlimited=True)
        return []

    async def vacuum(self) -> None:
        await self._writer.run(lambda session: session.execute("VACUUM (ANALYZE)"), unlimited=True)

    async def backup(self, path: Path) -> None:
        raise StoreUnavailable(f"database {shown(self._reports.url)}: make a backup with pg_dump")

    def announce(self, instance_id: str) -> None:
        """Heartbeats do: nobody on this machine can tell whether a process on another lives."""

    def gone(self, instance_ids: Iterable[str]) -> set[str]:
        return set()

    async def close(self) -> None:
        for link in (self._reports, self._lookups, self._writer):
            link.close()


def _transaction(session: Session, work: Callable[[Connection], T], exclusive: bool) -> T:
    with session.connection.transaction():
        if exclusive:
            sql = "SELECT pg_try_advisory_xact_lock(?), set_config('lock_timeout', ?, true)"
            if not session.execute(sql, (ALONE_LOCK, ALONE_LOCK_TIMEOUT)).fetchone()[0]:
                raise Occupied
            try:
                return work(session)
            except errors.LockNotAvailable:
                raise Occupied from None
        return work(session)


def _snapshot(session: Session, work: Callable[[Connection], T]) -> T:
    with session.connection.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return work(session)


def _count(session: Session, table: str) -> int:
    row = session.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - own names
    return int(row[0])
