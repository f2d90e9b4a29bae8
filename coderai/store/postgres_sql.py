"""PostgreSQL as the DB-API connection that the store's SQL is written for: `?` as placeholder, many rows at once."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg

from coderai.store import postgres_types
from coderai.store.driver import Cursor, Row

# The protocol counts parameters in 16 bits.
PARAMETERS_LIMIT = 60_000

_VALUES = re.compile(r"(.*\bVALUES\s*)(\([^()]*\))(.*)", re.DOTALL)


class _Changed(NamedTuple):
    """A cursor of which only the count is wanted."""

    rowcount: int

    def fetchone(self) -> Any:
        return None

    def fetchall(self) -> list[Any]:
        return []


# Rows that were locked are read as they are then, what is confirmed survives, and times are shown as postgres_types.py
# reads them, whatever the database's or the role's defaults are.
_SETTINGS = """
    SELECT pg_backend_pid();
    SET TimeZone = 'UTC';
    SET DateStyle = 'ISO';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = {0};
    SET idle_in_transaction_session_timeout = {0}"""


class Session:
    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        postgres_types.adapt(connection)
        self.connection = connection
        self._seconds: float | None = -1.0

    def begin(self, seconds: float | None) -> None:
        """A piece of work. seconds: how long the server works on one statement, in case nobody waits for it any more,
        and for how long it waits for the next one of a transaction: a process that is stopped amid one must not keep
        its locks for ever.
        """
        if seconds != self._seconds:
            process = self.connection.execute(_SETTINGS.format(int((seconds or 0) * 1000))).fetchone()
            if process != (self.connection.info.backend_pid,):
                # A pooler is between, which may give each transaction another process: one would not know, or take for
                # another, what was prepared in the last one. https://www.pgbouncer.org/features.html
                self.connection.prepare_threshold = None
            self._seconds = seconds

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        return self.connection.execute(_placeholders(sql), parameters or None)

    def executemany(self, sql: str, rows: Sequence[Row]) -> Cursor:
        """`rowcount` is the sum. An INSERT is one statement with many rows."""
        parts = _VALUES.fullmatch(sql)
        if parts is None or not rows:
            with self.connection.cursor() as cursor:
                cursor.executemany(_placeholders(sql), rows)
                return _Changed(cursor.rowcount)
        before, group, after = parts.groups()
        count = 0
        for some in _parted(rows, PARAMETERS_LIMIT // len(rows[0])):
            many = _placeholders(f"{before}{', '.join([group] * len(some))}{after}")
            count += self.connection.execute(many, [value for row in some for value in row]).rowcount
        return _Changed(count)


@lru_cache(maxsize=1024)
def _placeholders(sql: str) -> Any:
    return sql.replace("%", "%%").replace("?", "%s")


def _parted(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
