"""A connection to PostgreSQL, the thread that it is used in, and how long one piece of work may take there.

A server that stands still (stopped, unreachable, failing over) is given up by shutting the connection's socket, which
ends the thread's wait, and the next piece of work connects anew. Whether a commit that was given up has happened is
then unknown; all that is written can be written again.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg import errors

from coderai.store.driver import BadData, StoreUnavailable
from coderai.store.postgres_sql import Session
from coderai.store.postgres_url import shown
from coderai.store.worker import Worker

T = TypeVar("T")

CONNECT_SECONDS = 5
CLOSE_SECONDS = 1.0
# A process that is stopped amid a transaction must not keep its locks for ever.
IDLE_IN_TRANSACTION_SECONDS = 15

# What the server says of values, not of its own state.
DATA_ERRORS = (
    errors.DataError,
    errors.IntegrityError,
    UnicodeError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class Link:
    """`seconds`: for one piece of work. reads: it only reads, and may be tried again."""

    def __init__(self, url: str, name: str, seconds: float, *, reads: bool = False) -> None:
        self.url = url
        self._reads = reads
        self._name = name
        self._seconds = seconds
        self._worker = Worker(f"postgres-{name}")
        self._session: Session | None = None
        self._closed = False
        self._given_up = False  # the present piece of work has taken too long

    async def run(self, work: Callable[[Session], T], *, unlimited: bool = False) -> T:
        """Raises BadData or StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable(f"database {shown(self.url)} is closed")
        try:
            async with asyncio.timeout(None if unlimited else self._seconds):
                return await self._worker.do(lambda: self._work(work, unlimited))
        except TimeoutError:
            self._cut()
            raise StoreUnavailable(f"database {shown(self.url)}: no answer within {self._seconds:g} s") from None

    def _work(self, work: Callable[[Session], T], unlimited: bool) -> T:
        """In the thread."""
        try:
            return self._try(work, unlimited)
        except StoreUnavailable:
            raise
        except DATA_ERRORS as error:
            raise BadData(str(error)) from error
        except psycopg.ProgrammingError as error:
            if error.sqlstate is None:  # a value that psycopg cannot pass on
                raise BadData(str(error)) from error
            raise StoreUnavailable(f"database {shown(self.url)}: {_reason(error)}") from error
        except (psycopg.Error, OSError) as error:
            self._drop()
            raise StoreUnavailable(f"database {shown(self.url)}: {_reason(error)}") from error

    def _try(self, work: Callable[[Session], T], unlimited: bool) -> T:
        """Once more where a connection turns out to have been closed meanwhile, if it was only to read."""
        self._given_up = False
        fresh = self._session is None
        if self._session is None:
            self._session = self._connect()
        try:
            self._session.limit(None if unlimited else self._seconds)
            return work(self._session)
        except psycopg.OperationalError:
            if fresh or self._given_up or not self._reads or not self._session.connection.closed:
                raise
        self._session = self._connect()
        return work(self._session)

    def _connect(self) -> Session:
        connection = psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=f"coderai {self._name}",
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
        return Session(connection)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error, OSError):
                session.connection.close()

    def _cut(self) -> None:
        """Ends the thread's wait for the server, from outside."""
        self._given_up = True
        if (session := self._session) is not None:
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(session.connection.fileno())) as way:
                way.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._worker.do(self._drop)
        if not self._worker.stop(CLOSE_SECONDS):
            self._cut()


def _reason(error: Exception) -> str:
    """In one line, with a remedy."""
    lines = " ".join(str(error).split())
    return f"{lines or type(error).__name__}; check --postgres-url and that the server runs and can be reached"
