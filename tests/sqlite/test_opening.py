"""Opening a SQLite file, or saying what is wrong with it."""

import sqlite3
from pathlib import Path

import pytest

from coderai.store import Store, StoreUnavailable, open_sqlite
from coderai.store.migrations import MIGRATIONS
from tests.databases import rows
from tests.trail import exchange, started


async def refusal(path: Path) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await open_sqlite(path)
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
