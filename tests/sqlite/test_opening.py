"""Opening a SQLite file, or saying what is wrong with it."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from coderai.store import Store, StoreUnavailable, open_sqlite
from coderai.store.migrations import MIGRATIONS
from tests.databases import rows
from tests.trail import exchange, fill, started

# With so small a cache, SQLite writes pages into the database before the transaction is over.
KILLED = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
for table in range(100):
    database.execute(f"CREATE TABLE t{table} (text)")
os._exit(0)
"""


async def refusal(path: Path) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await open_sqlite(path, checked=True)  # as the server does
    assert str(path) in str(caught.value)
    return str(caught.value)


async def test_a_directory(tmp_path: Path) -> None:
    assert "is a directory; name a file with --sqlite-path" in await refusal(tmp_path)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are long enough to look like a header" * 10)
    assert "damaged or no database" in await refusal(path)
    assert path.read_text().startswith("my notes")


async def test_a_newer_schema(store: Store, path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    database.close()
    assert "newer coderai" in await refusal(path)


@pytest.mark.parametrize("version", [-1, 0, 1, len(MIGRATIONS)])
async def test_another_programs_database(tmp_path: Path, version: int) -> None:
    """Whatever it numbers its schema."""
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE bookmarks (url)")
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    assert "another program" in await refusal(path)


async def test_another_programs_database_that_only_that_can_read(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.create_collation("theirs", lambda one, other: (one > other) - (one < other))
        database.execute("CREATE TABLE bookmarks (url TEXT COLLATE theirs)")
        database.execute("CREATE INDEX by_url ON bookmarks (url)")
        database.execute("INSERT INTO bookmarks VALUES ('a'), ('b')")
    assert "another program" in await refusal(path)


def test_a_schema_that_is_no_text_any_more(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    asyncio.run(fill(path))
    damaged = path.read_bytes().replace(b"CREATE TABLE tokens", b"CREATE TA\xe7LE tokens")
    path.write_bytes(damaged)
    assert "is damaged: malformed database schema" in asyncio.run(refusal(path))
    assert path.read_bytes() == damaged


def test_one_that_a_process_was_making_when_it_was_killed(tmp_path: Path) -> None:
    """It is not in WAL mode before its first moments are over: what is half written there, its journal takes back."""
    path = tmp_path / "coderai.db"
    subprocess.run([sys.executable, "-c", KILLED, path], check=True, timeout=60)
    assert path.with_name("coderai.db-journal").stat().st_size > 0

    async def problems() -> list[str]:
        store = await open_sqlite(path, checked=True)
        try:
            return await store.check()
        finally:
            await store.close()

    assert asyncio.run(problems()) == []


async def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--sqlite-path" in await refusal(tmp_path / "file" / "coderai.db")


async def test_a_locked_file(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderai.store.sqlite_file.BUSY_TIMEOUT_SECONDS", 0.01)
    impatient = await open_sqlite(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process holds it"):
        await impatient.write([started()])
    holder.close()
    await impatient.write([started()])
    await impatient.close()


async def test_again_with_all_that_was_in_it(path: Path) -> None:
    first = await open_sqlite(path)
    await first.write(exchange())
    await first.close()
    second = await open_sqlite(path)
    assert len(rows(path, "aibridge_interceptions")) == 1
    await second.close()
