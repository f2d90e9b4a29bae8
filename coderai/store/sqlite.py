"""The SQLite driver: WAL, one writing connection in one thread, readers of their own.

Writing goes through stdlib sqlite3 in a one-thread executor, a whole transaction in one hop: a batch of one
record takes about 80 us, where aiosqlite, which hops for every statement, takes about 300. Readers never
wait for the writer (that is what WAL is for), so they go through aiosqlite for convenience.
https://sqlite.org/wal.html

`synchronous=NORMAL` keeps every committed transaction when the process is killed; only a loss of power can
take the last ones. https://sqlite.org/pragma.html#pragma_synchronous
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from coderai.store.driver import BadData, Connection, Row, StoreUnavailable
from coderai.store.migrations import MIGRATIONS
from coderai.store.store import Store

T = TypeVar("T")

# How long a writer waits for another process (a `coderai users` command) that holds the lock for
# milliseconds.
BUSY_TIMEOUT_SECONDS = 5.0
# The writer's pages in memory: the upper levels of every index it inserts into (default: 2 MB).
CACHE_KIBIBYTES = 8192
# A WAL that a long reader let grow is cut back to this at the next checkpoint.
WAL_LIMIT_BYTES = 64 * 1024 * 1024
# The WAL's length at which its pages move to the database: 16 MB instead of 4, so that a page that is written
# again and again moves less often.
CHECKPOINT_PAGES = 4000
# Pages given back at a time; moving one is a random read and write, so this is a few milliseconds.
RECLAIMED_PAGES = 128
# Raised by sqlite3 for values, not for the state of the file. The last four come before SQLite sees the
# value.
DATA_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
    TypeError,
    ValueError,
)


async def open_sqlite(path: Path) -> Store:
    """The store in this file, which is created if missing and brought to the present schema if older."""
    driver = SQLite(Path(path))
    try:
        await driver.open()
    except BaseException:
        await driver.close()
        raise
    return Store(driver)


class SQLite:
    """A `Driver`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._writer: sqlite3.Connection | None = None
        self._lookups: aiosqlite.Connection | None = None
        self._reports: aiosqlite.Connection | None = None

    async def open(self) -> None:
        self._writer = await self._in_thread(self._open_writer)
        self._lookups = await self._open_reader()
        self._reports = await self._open_reader()

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        writer = self._open_or_raise()
        return await self._in_thread(lambda: _transaction(writer, work))

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._read(self._lookups, sql, parameters)

    async def report(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return await self._read(self._reports, sql, parameters)

    async def reclaim(self) -> bool:
        writer = self._open_or_raise()
        return await self._in_thread(lambda: _reclaim(writer))

    async def close(self) -> None:
        for reader in (self._lookups, self._reports):
            if reader is not None:
                await reader.close()
        self._lookups = self._reports = None
        if self._writer is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._writer.close)
            self._writer = None
        self._executor.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except DATA_ERRORS as error:
            raise BadData(str(error)) from error
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error

    async def _read(self, reader: aiosqlite.Connection | None, sql: str, parameters: Sequence[Any]) -> list[Row]:
        if reader is None:
            raise self._closed()
        try:
            return [tuple(row) for row in await reader.execute_fetchall(sql, parameters)]
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error

    def _open_writer(self) -> sqlite3.Connection:
        self._create_file()
        writer = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the file's first page
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("PRAGMA synchronous = NORMAL")
            writer.execute("PRAGMA foreign_keys = ON")
            writer.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            writer.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
            self._migrate(writer)
        except BaseException:
            writer.close()
            raise
        return writer

    def _create_file(self) -> None:
        if self._path.is_dir():
            raise StoreUnavailable(
                f"database {self._path} is a directory; name a file with --sqlite-path, "
                f"e.g. {self._path / 'coderai.db'}"
            )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Prompts are nobody else's to read; SQLite gives its -wal and -shm files the same mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))

    def _migrate(self, writer: sqlite3.Connection) -> None:
        if self._version(writer) == len(MIGRATIONS):
            return
        writer.execute("BEGIN IMMEDIATE")
        try:
            version = self._version(writer)  # another process may have been faster
            if version == 0 and writer.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise StoreUnavailable(
                    f"database {self._path} belongs to another program; choose another with --sqlite-path"
                )
            for step in MIGRATIONS[version:]:
                for statement in step:
                    writer.execute(statement)
            writer.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            writer.execute("COMMIT")
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")

    def _version(self, writer: sqlite3.Connection) -> int:
        version: int = writer.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise StoreUnavailable(
                f"database {self._path} was written by a newer coderai (schema {version}, this one knows "
                f"{len(MIGRATIONS)}); run that version, or choose another file with --sqlite-path"
            )
        return version

    async def _open_reader(self) -> aiosqlite.Connection:
        try:
            reader = await aiosqlite.connect(
                self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, cached_statements=32
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        await reader.execute("PRAGMA query_only = ON")
        return reader

    def _open_or_raise(self) -> sqlite3.Connection:
        if self._writer is None:
            raise self._closed()
        return self._writer

    def _closed(self) -> StoreUnavailable:
        return StoreUnavailable(f"database {self._path} is closed")

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        what = error.strerror if isinstance(error, OSError) else error
        return StoreUnavailable(f"database {self._path}: {what}; {_remedy(error)}")


def _transaction(writer: sqlite3.Connection, work: Callable[[Connection], T]) -> T:
    writer.execute("BEGIN IMMEDIATE")  # take the lock now, where it can be waited for
    try:
        result = work(writer)
        writer.execute("COMMIT")
    except BaseException:
        if writer.in_transaction:  # SQLite has already rolled back after some errors of the disk
            writer.execute("ROLLBACK")
        raise
    return result


def _reclaim(writer: sqlite3.Connection) -> bool:
    writer.execute(f"PRAGMA incremental_vacuum({RECLAIMED_PAGES})").fetchall()
    return bool(writer.execute("PRAGMA freelist_count").fetchone()[0])


def _remedy(error: Exception) -> str:
    """What can be done about it, by SQLite's result code. https://sqlite.org/rescode.html"""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another process holds it, end that process or choose another file with --sqlite-path"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "the file is damaged or no database, restore a backup or choose another with --sqlite-path"
    if code == sqlite3.SQLITE_FULL:
        return "free space on its disk"
    return "check that the file and its directory can be written, or choose another with --sqlite-path"
