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

REMEDIES: dict[type[Exception], str] = {
    errors.InsufficientPrivilege: "make the role the owner of a database of coderai's own",
    errors.InvalidSchemaName: "create the schema that the role's search_path names",
    errors.ReadOnlySqlTransaction: "name the primary with --postgres-url, or let the database be written again",
}
OTHER_REMEDY = "check --postgres-url and that the server runs and can be reached"


class _Turn:
    """One piece of work, queued or under way."""

    given_up = False  # nobody waits for it any more


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
        self._turn: _Turn | None = None  # whose work is under way

    async def run(self, work: Callable[[Session], T], *, times: int = 1, unlimited: bool = False) -> T:
        """In as many times the seconds. Raises BadData or StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable(f"database {shown(self.url)} is closed")
        seconds = None if unlimited else times * self._seconds
        turn = _Turn()
        try:
            async with asyncio.timeout(seconds):
                return await self._worker.do(lambda: self._work(turn, work, seconds))
        except TimeoutError:
            self._give_up(turn)
            why = f"no answer within {seconds:g} s; {OTHER_REMEDY}"
            raise StoreUnavailable(f"database {shown(self.url)}: {why}") from None
        except asyncio.CancelledError:
            if seconds is not None:  # whoever asked has gone; its work may stand still all the same
                asyncio.get_running_loop().call_later(seconds, self._give_up, turn)
            raise

    def _work(self, turn: _Turn, work: Callable[[Session], T], seconds: float | None) -> T:
        """In the thread."""
        self._turn = turn
        try:
            return self._try(turn, work, seconds)
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
        finally:
            self._turn = None

    def _try(self, turn: _Turn, work: Callable[[Session], T], seconds: float | None) -> T:
        """Once more where a connection turns out to have been closed meanwhile, if it was only to read."""
        fresh = self._session is None
        session = self._session or self._connect()
        try:
            return self._do(turn, session, work, seconds)
        except psycopg.OperationalError:
            if fresh or turn.given_up or not self._reads or not session.connection.closed:
                raise
        return self._do(turn, self._connect(), work, seconds)

    def _do(self, turn: _Turn, session: Session, work: Callable[[Session], T], seconds: float | None) -> T:
        self._session = session  # from here on it can be cut; what was given up before is not begun
        if turn.given_up:
            raise StoreUnavailable(f"database {shown(self.url)}: no answer in time")
        session.begin(seconds)
        return work(session)

    def _connect(self) -> Session:
        connection = psycopg.connect(
            self.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=f"coderai {self._name}",
            client_encoding="UTF8",  # else it is the database's, and a text of SQL_ASCII's would come back as bytes
            keepalives=1,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        return Session(connection)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error, OSError):
                session.connection.close()

    def _give_up(self, turn: _Turn) -> None:
        """It is not begun any more; under way, it is cut. Another's work goes on: it has a time of its own."""
        turn.given_up = True
        if self._turn is turn:
            self._cut()

    def _cut(self) -> None:
        """Ends the thread's wait for the server, from outside."""
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
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None  # without the SQL
    lines = " ".join((said or str(error)).split())
    remedy = next((remedy for kind, remedy in REMEDIES.items() if isinstance(error, kind)), OTHER_REMEDY)
    return f"{lines or type(error).__name__}; {remedy}"
