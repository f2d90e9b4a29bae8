"""Copies a trail from one database to another, and verifies that it has arrived: every row, by count and digest.

Repeatable: rows that are there already stay as they are. Digests do not depend on the order of rows, for databases
differ in how they sort.
"""

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from coderai.store.children import CHILDREN, KEY
from coderai.store.driver import BadData, Driver, Row

# Rows at a time.
CHUNK = 500


class CannotCopy(Exception):
    """The target does not hold what the source does; the message says which table, and what to do."""


class _Table(NamedTuple):
    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


def _table(name: str, key: str, columns: str) -> _Table:
    return _Table(name, tuple(key.split()), tuple(columns.split()))


# In the order in which they refer to each other. tests/test_db_migrate.py fails if a table or a column is missing here.
TABLES = (
    _table("users", "id", "id name email role status created_at deleted_at"),
    _table("tokens", "id", "id user_id name secret_sha256 created_at expires_at revoked_at"),
    _table("aibridge_instances", "id", "id started_at ended_at beat seal_number seal anchor_number anchor"),
    _table(
        "aibridge_interceptions",
        "id",
        """id initiator_id api_key_id provider provider_name model client client_session_id credential_kind
        credential_hint metadata started_at ended_at status error_type error_message thread_parent_id
        thread_root_id instance_id seal_number counts_digest content_digest seal""",
    ),
    *(_Table(child.table, KEY, child.columns) for child in CHILDREN),
    _table("aibridge_provider_objects", "provider_name object_id", "provider_name object_id initiator_id created_at"),
    _table(
        "aibridge_past_seals",
        "instance_id seal_number",
        "instance_id seal_number interception_id started_at counts_digest content_digest seal reason",
    ),
    _table("aibridge_retention", "name", "name started_at interception_id"),
)

# A server that began meanwhile, or a command, has changed one of the first three: users, tokens, instances.
WITNESSES = 3


async def copy(source: Driver, target: Driver, report: Callable[[str, int], None]) -> None:
    """Tells `report` of each table and its rows. Raises CannotCopy, StoreUnavailable."""
    for table in TABLES:
        await _refuse_others(source, target, table)
    for table in TABLES:
        async for rows in _chunks(source, table):
            await _insert(target, table, rows)
        report(table.name, await _same(source, target, table))
    for table in TABLES[:WITNESSES]:
        await _same(source, target, table)


async def _same(source: Driver, target: Driver, table: _Table) -> int:
    """How many rows both hold. Raises CannotCopy."""
    there, here = await _sum(target, table), await _sum(source, table)
    if there != here:
        raise CannotCopy(
            f"{table.name}: the target holds {there[0]} rows, the source {here[0]}, or their contents differ; "
            "stop whatever writes to either, and give an empty database with --postgres-url; "
            "`coderai audit verify` tells whether the source itself was changed"
        )
    return here[0]


async def _refuse_others(source: Driver, target: Driver, table: _Table) -> None:
    """Raises CannotCopy where the target holds what the source does not."""
    keys = ", ".join(table.key)
    found = await target.report(f"SELECT {keys} FROM {table.name} LIMIT 1")  # noqa: S608 - names of this file
    if not found:
        return
    where = " AND ".join(f"{name} = ?" for name in table.key)
    if not await source.report(f"SELECT 1 FROM {table.name} WHERE {where}", found[0]):  # noqa: S608 - names of this file
        raise CannotCopy(f"{table.name}: the target holds other data; give an empty database with --postgres-url")


async def _chunks(driver: Driver, table: _Table) -> AsyncIterator[list[Row]]:
    select = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - names of this file
    order = f" ORDER BY {', '.join(table.key)} LIMIT {CHUNK}"
    places = [table.columns.index(name) for name in table.key]
    after = f" WHERE ({', '.join(table.key)}) > ({', '.join('?' * len(table.key))})"
    rows = await driver.report(select + order)
    while rows:
        yield rows
        rows = await driver.report(select + after + order, [rows[-1][place] for place in places])


async def _insert(target: Driver, table: _Table, rows: list[Row]) -> None:
    marks = ", ".join("?" * len(table.columns))
    sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of this file
    if "injected" in table.columns:
        place = table.columns.index("injected")
        rows = [(*row[:place], bool(row[place]), *row[place + 1 :]) for row in rows]  # SQLite has no booleans
    try:
        await target.transaction(lambda db: db.executemany(sql, rows))
    except BadData as error:  # SQLite takes any text for a time
        said = next(iter(str(error).splitlines()), "")
        raise CannotCopy(
            f"{table.name}: the target does not take one of the rows: {said}; "
            "`coderai audit verify` tells what was changed in the source"
        ) from None


async def _sum(driver: Driver, table: _Table) -> tuple[int, int]:
    """How many rows, and the sum of their digests."""
    count = total = 0
    async for rows in _chunks(driver, table):
        count += len(rows)
        total += sum(int.from_bytes(sha256(_line(row)).digest()) for row in rows)
    return count, total % 2**256


def _line(row: Row) -> bytes:
    return msgspec.json.encode([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return bytes(value)
    return int(value) if isinstance(value, bool) else value
