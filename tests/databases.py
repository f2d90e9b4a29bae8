"""Both databases for the same tests: where they are, how they are looked into, and how they are made to fail."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from coderai.store import Database, Store
from coderai.store.postgres_types import adapt

# A SQLite file, or the URL of a PostgreSQL database.
Place = Path | str


# The tables of records.
RECORDS = (
    "aibridge_interceptions",
    "aibridge_token_usages",
    "aibridge_user_prompts",
    "aibridge_tool_usages",
    "aibridge_model_thoughts",
    "aibridge_provider_objects",
)


def database(place: Place) -> Database:
    return Database(place) if isinstance(place, Path) else Database(Path("/nowhere/coderai.db"), place)


async def opened(place: Place) -> Store:
    return await database(place).open()


def environment(place: Place) -> dict[str, str]:
    """The variables that have coderai use it."""
    return {"CODER_SQLITE_PATH": str(place)} if isinstance(place, Path) else {"CODER_PG_CONNECTION_URL": place}


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Nobody else can write meanwhile; a write that has begun succeeds afterwards."""
    if isinstance(place, Path):
        with closing(sqlite3.connect(place, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
    else:
        with psycopg.connect(place) as connection:
            connection.execute("LOCK TABLE aibridge_interceptions IN EXCLUSIVE MODE")
            yield


def query(place: Place, sql: str) -> list[tuple[Any, ...]]:
    connection = _connect(place)
    try:
        return [tuple(row) for row in connection.execute(sql).fetchall()]
    finally:
        connection.close()


def rows(place: Place, table: str) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {table} ORDER BY 1"
    if isinstance(place, Path):
        connection = sqlite3.connect(place)
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(sql)]
    else:
        connection = _connect(place)
        connection.row_factory = dict_row
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def change(place: Place, *statements: str) -> None:
    """Each of which has to change something."""
    connection = _connect(place)
    if not isinstance(place, Path):
        connection.execute("SET session_replication_role = replica")  # no foreign keys, as in SQLite
    try:
        for statement in statements:
            assert connection.execute(statement).rowcount, statement
        connection.commit()
    finally:
        connection.close()


def tables(place: Place) -> set[str]:
    sqlite, postgres = (
        "SELECT name FROM sqlite_master WHERE type = 'table'",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    return {row[0] for row in query(place, sqlite if isinstance(place, Path) else postgres)}


def counts(place: Place, names: Sequence[str]) -> dict[str, int]:
    return {name: query(place, f"SELECT count(*) FROM {name}")[0][0] for name in names}


def read_only(place: Place, store: Store, on: bool) -> None:
    """Every write fails from now on, or works again: the effect of a full or read-only disk."""
    if isinstance(place, Path):
        store._driver._writer._connection.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")
        return
    with psycopg.connect(place, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone()
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if on else 'off'}")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )


def _connect(place: Place) -> Any:
    """Times and metadata are texts in both."""
    if isinstance(place, Path):
        return sqlite3.connect(place)
    connection = psycopg.connect(place, options="-c TimeZone=UTC -c DateStyle=ISO")
    adapt(connection)
    return connection
