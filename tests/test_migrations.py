"""A database of every earlier schema is brought up to date, with all that is in it."""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from coderai.store.migrate import TABLES
from coderai.store.migrations import MIGRATIONS
from coderai.store.postgres_schema import VERSION_TABLE, _translated
from coderai.store.postgres_types import STEPS, alteration
from coderai.store.selection import Filter
from tests.databases import RECORDS, Place, change, counts, environment, opened, query, tables
from tests.gateway import coderai
from tests.postgres import drop, fresh
from tests.trail import exchange, fill, listed, now

ALL_SEALED = 4  # from this schema on; of those before it, rows may be without a seal
TEXTS = 5  # the last schema whose times and metadata are texts in PostgreSQL


class Old:
    """A database of an earlier schema."""

    def __init__(self, place: Place, version: int) -> None:
        self.place = place
        if isinstance(place, Path):
            place.parent.mkdir(exist_ok=True)
            self.run([statement for step in MIGRATIONS[:version] for statement in step])
            self.run([f"PRAGMA user_version = {version}"])
            return
        for number, step in enumerate(MIGRATIONS[:version]):
            self.run(map(_translated, step))
            self.run(alteration(*one) for one in STEPS.get(number, {}).items())
        self.run([f"CREATE TABLE {VERSION_TABLE} (version BIGINT NOT NULL)"])
        self.run([f"INSERT INTO {VERSION_TABLE} VALUES ({version})"])

    def run(self, statements: Iterable[str]) -> None:
        if isinstance(self.place, Path):
            with closing(sqlite3.connect(self.place)) as database:
                database.executescript(";".join(statements))
        else:
            with psycopg.connect(self.place) as server:
                server.execute(";".join(statements))

    def insert(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if isinstance(self.place, Path):
            with closing(sqlite3.connect(self.place)) as database:
                database.executemany(sql, rows)
                database.commit()
        else:
            with psycopg.connect(self.place) as server, server.cursor() as cursor:
                cursor.executemany(sql.replace("?", "%s"), rows)

    def columns(self, table: str) -> list[str]:
        """All that are not generated."""
        if isinstance(self.place, Path):
            return [row[1] for row in query(self.place, f"PRAGMA table_xinfo({table})") if row[6] == 0]
        sql = f"""SELECT column_name FROM information_schema.columns
            WHERE table_name = '{table}' AND is_generated = 'NEVER'"""
        return [row[0] for row in query(self.place, sql)]

    def filled_from(self, source: Path) -> None:
        """With the rows that today's coderai writes, in every table and column that this schema has."""
        there = tables(self.place)
        for table in (table.name for table in TABLES if table.name in there):
            names = self.columns(table)
            rows = query(source, f"SELECT {', '.join(names)} FROM {table}")
            if "injected" in names:
                place = names.index("injected")
                rows = [(*row[:place], bool(row[place]), *row[place + 1 :]) for row in rows]
            self.insert(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)


async def check(place: Place) -> None:
    """That all of the types are there."""
    if not isinstance(place, Path):
        sql = """SELECT DISTINCT data_type FROM information_schema.columns
            WHERE table_schema = current_schema() AND (column_name LIKE '%\\_at' OR column_name = 'metadata')"""
        assert sorted(query(place, sql)) == [("json",), ("timestamp with time zone",)]


@pytest.mark.parametrize("version", range(1, ALL_SEALED))
async def test_one_from_before_seals(place: Place, version: int) -> None:
    old = Old(place, version)
    begun = "2026-01-01T00:00:00.000000Z"
    row = ("i", "u", "openai", "openai", "gpt-5", begun, "2026-01-01T00:00:01.000000Z")
    columns = "id, initiator_id, provider, provider_name, model, started_at, ended_at"
    open_one = ("o", *row[1:6], None)
    old.insert(f"INSERT INTO aibridge_interceptions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", [row, open_one])
    old.run(["UPDATE aibridge_interceptions SET client = NULL"])
    tokens = "id, interception_id, provider_response_id, input_tokens, output_tokens, created_at"
    old.insert(f"INSERT INTO aibridge_token_usages ({tokens}) VALUES ('t', 'i', 'r', 1, 2, ?)", [(begun,)])
    store = await opened(place)
    await store.write(exchange())
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.open, verdict.unsealed, verdict.breaks) == (1, 0, 2, [])
    migrated = "SELECT id, client, error_type, ended_at FROM aibridge_interceptions WHERE seal IS NULL ORDER BY id"
    assert query(place, migrated) == [("i", "Unknown", None, row[-1]), ("o", "Unknown", "interrupted", begun)]
    forged = f"VALUES ('x', 'u', 'openai', 'openai', 'gpt-5', '{begun}', '{begun}')"
    change(place, f"INSERT INTO aibridge_interceptions ({columns}) {forged}")
    assert "it has no seal" in (await store.verify("", "9999", {})).breaks[0].what
    (page,) = [one for one in await listed(store, Filter(), limit=10) if one.id == "i"]
    assert [usage.output_tokens for usage in page.token_usages] == [2]
    await check(place)
    await store.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
async def test_a_whole_trail_with_its_seals(tmp_path: Path, place: Place, version: int) -> None:
    new = tmp_path / "new.db"
    await fill(new)
    Old(place, version).filled_from(new)
    store = await opened(place)
    await store.write(exchange(now(), call_id="later"))
    verdict = await store.verify("", "9999", {})
    await store.close()
    assert counts(place, RECORDS) == {name: count + 1 for name, count in counts(new, RECORDS).items()}
    assert counts(place, ["users", "tokens"]) == {"users": 1, "tokens": 1}
    assert verdict.breaks == []
    assert (verdict.interceptions, verdict.unsealed) == ((1, 4) if version == 1 else (4, 0))
    assert query(place, "SELECT username FROM users") == [("alice",)]
    await check(place)


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    url = fresh(postgres_url)
    yield url
    drop(url)


HINDRANCES = [
    # by whom, what is told of it, and how it is removed
    (
        "UPDATE tokens SET created_at = 'last summer'",
        'table tokens: invalid input syntax for type timestamp with time zone: "last summer"; coderai has not written',
        "UPDATE tokens SET created_at = '2026-01-01T00:00:00.000000Z'",
    ),
    (
        "UPDATE aibridge_model_thoughts SET metadata = '{'",
        "table aibridge_model_thoughts: invalid input syntax for type json: The input string ended unexpectedly.; cod",
        "UPDATE aibridge_model_thoughts SET metadata = '{}'",
    ),
    (
        "CREATE VIEW ours AS SELECT CAST(started_at AS timestamptz) FROM aibridge_interceptions",
        'a column used by a view or rule: rule _RETURN on view ours depends on column "started_at"; remove that, start',
        "DROP VIEW ours",
    ),
    (
        "CREATE INDEX ours ON aibridge_interceptions (substr(started_at, 1, 10))",
        "table aibridge_interceptions: function substr(timestamp with time zone, integer, integer) does not exist; an",
        "DROP INDEX ours",
    ),
    (
        "CREATE INDEX ours ON aibridge_user_prompts (metadata)",
        'table aibridge_user_prompts: data type json has no default operator class for access method "btree"; an index',
        "DROP INDEX ours",
    ),
    (
        "ALTER TABLE users ADD username TEXT",
        'schema 6: column "username" of relation "users" already exists; an index, a constraint or a column that oth',
        "ALTER TABLE users DROP username",
    ),
]


@pytest.mark.parametrize(("hindrance", "told", "removal"), HINDRANCES)
async def test_what_hinders_it_is_told_and_nothing_is_changed(
    tmp_path: Path, url: str, hindrance: str, told: str, removal: str
) -> None:
    await fill(tmp_path / "new.db")
    old = Old(url, TEXTS)
    old.filled_from(tmp_path / "new.db")
    old.run([hindrance])
    for _ in range(2):
        done = coderai("users", "list", env=environment(url), check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert told in done.stderr
        assert ("username" in old.columns("users")) == ("username" in hindrance)
        assert query(url, f"SELECT version FROM {VERSION_TABLE}") == [(TEXTS,)]
    old.run([removal])
    assert "alice" in coderai("users", "list", env=environment(url)).stdout
    await check(url)


async def test_a_role_that_does_not_own_the_tables_is_told_so(tmp_path: Path, url: str) -> None:
    """Another has made them; nothing is in the way that could be removed."""
    await fill(tmp_path / "new.db")
    Old(url, TEXTS).filled_from(tmp_path / "new.db")
    role = "owns_nothing"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        server.execute(f"GRANT ALL ON SCHEMA public TO {role}")
        try:
            done = coderai("users", "list", env=environment(url.replace("postgres:", f"{role}:", 1)), check=False)
        finally:
            server.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "must be owner of table" in done.stderr
    assert done.stderr.endswith("; make the role the owner of a database of coderai's own\n")


async def test_replicas_that_start_together_migrate_once(tmp_path: Path, url: str) -> None:
    await fill(tmp_path / "new.db", 100)
    Old(url, TEXTS).filled_from(tmp_path / "new.db")
    stores = await asyncio.gather(*(opened(url) for _ in range(3)))
    assert [len(await listed(store, Filter(), limit=200)) for store in stores] == [101] * 3
    for store in stores:
        await store.close()
