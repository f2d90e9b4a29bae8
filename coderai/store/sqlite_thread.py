"""A SQLite connection and the thread that it is used in."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from coderai.store.driver import BadData, StoreUnavailable
from coderai.store.sqlite_file import BUSY_TIMEOUT_SECONDS, unavailable
from coderai.store.worker import Worker

T = TypeVar("T")

# Raised by sqlite3 for values, not for the state of the file. The last five come before SQLite sees
# the value.
DATA_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
    RecursionError,
    TypeError,
    ValueError,
)
_ERRORS = (*DATA_ERRORS, sqlite3.Error, OSError)


class SQLiteThread:
    """`run` has work done in the thread; `begin` and `here` spare the way to it where it has nothing to do."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._worker = Worker(f"sqlite-{name}")
        self._connection: sqlite3.Connection | None = None
        self._patient = True  # the connection waits for locks

    async def open(self, connect: Callable[[Path], sqlite3.Connection]) -> None:
        self._connection = await self._in_thread(lambda: connect(self._path))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Raises BadData or StoreUnavailable."""
        connection = self._opened()
        return await self._in_thread(lambda: work(self._waiting(connection, patient=True)))

    def begin(self) -> bool:
        """Whether a write transaction is begun, for `here`: not while the thread, or another process, is at work."""
        if not self._worker.idle:
            return False
        try:
            self._waiting(self._opened(), patient=False).execute("BEGIN IMMEDIATE")
        except sqlite3.Error:  # the thread is to find out what is wrong, and may wait for it to be over
            return False
        return True

    def here(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`, in the caller's own thread."""
        try:
            return work(self._opened())
        except _ERRORS as error:
            raise self._meant(error) from error

    async def close(self) -> None:
        """What is under way comes to its end first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._in_thread(connection.close)
        self._worker.stop()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"database {self._path} is closed")
        return self._connection

    def _waiting(self, connection: sqlite3.Connection, *, patient: bool) -> sqlite3.Connection:
        """The connection, which waits for locks or does not."""
        if patient != self._patient:
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_SECONDS * 1000) if patient else 0}")
            self._patient = patient
        return connection

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await self._worker.do(work)
        except _ERRORS as error:
            raise self._meant(error) from error

    def _meant(self, error: Exception) -> Exception:
        return BadData(str(error)) if isinstance(error, DATA_ERRORS) else unavailable(self._path, error)
