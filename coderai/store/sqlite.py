"""The SQLite driver: WAL; a connection for writing, two for reading, one for checkpoints, each in a thread of its own.

A whole transaction, or a whole question, is one hop to that thread and back. A batch of one record takes
some 100 to 200 us so, half of what it takes with a hop for every statement, as aiosqlite does it; a request that is
served alone is spared even that one, a tenth of the time it takes. aiosqlite is not used for reading either: a
connection that nobody closed keeps its process from ending, which these threads do not. Readers never wait for the
writer nor it for them: that is what WAL is for. https://sqlite.org/wal.html

`synchronous=NORMAL` keeps every committed transaction when the process is killed; only a loss of power can
take the last ones. https://sqlite.org/pragma.html#pragma_synchronous
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from coderai.store import sqlite_care
from coderai.store.driver import Connection, Row, StoreUnavailable
from coderai.store.presence import Presence
from coderai.store.sqlite_file import open_checkpointer, open_lookups, open_reader, open_writer
from coderai.store.sqlite_open_files import OpenFiles
from coderai.store.sqlite_thread import SQLiteThread
from coderai.store.sqlite_wal import Wal
from coderai.store.store import Store

T = TypeVar("T")


async def open_sqlite(path: Path, synchronous: str = "normal", *, checked: bool = False) -> Store:
    """The store in this file, which is created if missing and brought to the present schema if older.

    synchronous: `full` waits for the disk at every commit, and so survives a loss of power. checked: not if damaged.
    """
    driver = SQLite(Path(path), synchronous)
    try:
        await driver.open(checked=checked)
    except BaseException:
        await driver.close()
        raise
    return Store(driver)


class SQLite:
    """A `Driver`."""

    octets = "length(CAST({} AS BLOB))"  # whatever stands there; octet_length is known from 3.43 on

    def __init__(self, path: Path, synchronous: str) -> None:
        self._synchronous = synchronous
        opened = Path(os.path.realpath(path))  # SQLite puts its WAL beside the file that a link leads to
        self._writer = SQLiteThread(opened, "writer")
        self._lookups = SQLiteThread(opened, "lookups")
        self._reports = SQLiteThread(opened, "reports")
        self._checkpoints = SQLiteThread(opened, "checkpoints")
        self._checkpoint: asyncio.Task[None] | None = None
        self._files = OpenFiles(path, opened)
        self._wal = Wal(opened)
        self._presence = Presence(opened)

    async def open(self, *, checked: bool) -> None:
        await self._writer.open(partial(_open_writer, synchronous=self._synchronous, checked=checked))
        await self._lookups.open(open_lookups)
        await self._reports.open(open_reader)
        await self._checkpoints.open(open_checkpointer)
        self._files.look()

    async def transaction(
        self, work: Callable[[Connection], T], *, exclusive: bool = False, at_once: bool = False, failures: int = 0
    ) -> T:
        if self._files.lost:  # they may be there again; what would be written until then would be lost, too
            self._files.look()
        if exclusive:
            await self._pages_moved()
            with self._presence.exclusively():
                return await self.transaction(work)
        if at_once and not self._waits_for_the_disk() and self._writer.begin():
            result, rows = self._writer.here(lambda writer: _committed(writer, work))
        else:
            result, rows = await self._writer.run(lambda writer: _transaction(writer, work))
        self._files.look()
        self._wal.wrote(rows, self._files.wal_size)
        if self._wal.is_long:
            self._start_checkpoint()
        return result

    def _waits_for_the_disk(self) -> bool:
        """Whether a commit does: for its own pages, behind those of a checkpoint, or as the first of a new WAL."""
        return self._synchronous != "normal" or self._checkpoint is not None or self._wal.anew

    def _start_checkpoint(self) -> asyncio.Task[None]:
        if self._checkpoint is None:
            self._checkpoint = asyncio.create_task(self._move_pages())
        return self._checkpoint

    async def _move_pages(self) -> None:
        """Moves the WAL's pages into the database, with its waits for the disk, while the writer goes on; what it has
        written meanwhile is so little that the writer moves it by itself, and begins the WAL anew.
        """
        try:
            await self._checkpoints.run(self._move_most)
            await self._writer.run(_checkpoint)
            self._wal.moved()
        except StoreUnavailable:
            pass  # a disk that is full, say: the next transaction will tell, and try again
        finally:
            self._wal.anew = True
            self._checkpoint = None

    def _move_most(self, connection: sqlite3.Connection) -> None:
        _checkpoint(connection)
        self._wal.flush()

    async def _pages_moved(self) -> None:
        """What can wait does, until a checkpoint is over: the writer would have to move what it writes meanwhile."""
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._lookups.run(lambda reader: reader.execute(sql, parameters).fetchall())

    async def report(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._reports.run(lambda reader: reader.execute(sql, parameters).fetchall())

    async def snapshot(self, work: Callable[[Connection], T], *, unlimited: bool = False) -> T:
        return await self._reports.run(lambda reader: _snapshot(reader, work))

    async def reclaim(self) -> bool:
        await self._pages_moved()
        given = await self._writer.run(sqlite_care.reclaim)
        self._files.look()
        self._wal.wrote(self._wal.rows, self._files.wal_size)
        if not given:  # the end of a purge: only with a checkpoint does the file itself become smaller
            await asyncio.wait([self._start_checkpoint()])
        elif self._wal.is_long:  # pages that move into the place of free ones
            self._start_checkpoint()
        return given

    async def check(self) -> list[str]:
        return await self._reports.run(sqlite_care.check)

    async def vacuum(self) -> None:
        await self._writer.run(sqlite_care.vacuum)

    async def backup(self, path: Path) -> None:
        await self._reports.run(lambda reader: sqlite_care.backup(reader, path))

    def announce(self, instance_id: str) -> None:
        self._presence.announce(instance_id)

    def gone(self, instance_ids: Iterable[str]) -> set[str]:
        return self._presence.gone(instance_ids)

    async def close(self) -> None:
        self._presence.close()
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        for thread in (self._checkpoints, self._reports, self._lookups, self._writer):
            await thread.close()


def _open_writer(path: Path, synchronous: str, *, checked: bool) -> sqlite3.Connection:
    if checked:
        sqlite_care.refuse_damage(path)
    return open_writer(path, synchronous)


def _transaction(writer: sqlite3.Connection, work: Callable[[Connection], T]) -> tuple[T, int]:
    writer.execute("BEGIN IMMEDIATE")  # take the lock now, where it can be waited for
    return _committed(writer, work)


def _committed(writer: sqlite3.Connection, work: Callable[[Connection], T]) -> tuple[T, int]:
    """Ends the transaction; what the work returned, and how many rows this connection has changed in all."""
    try:
        result = work(writer)
        writer.execute("COMMIT")
    except BaseException:
        if writer.in_transaction:  # SQLite has already rolled back after some errors of the disk
            writer.execute("ROLLBACK")
        raise
    return result, writer.total_changes


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _snapshot(reader: sqlite3.Connection, work: Callable[[Connection], T]) -> T:
    reader.execute("BEGIN")  # the first read takes the state, and every later one sees the same
    try:
        return work(reader)
    finally:
        reader.execute("ROLLBACK")
