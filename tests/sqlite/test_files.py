"""SQLite's files: who may read them, what becomes of those that are lost, and what is found in them."""

import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coderai.store import Store, StoreUnavailable, open_sqlite
from coderai.store.migrations import MIGRATIONS
from coderai.store.sqlite_file import open_writer
from tests.databases import rows
from tests.trail import exchange, started


async def test_new_file_is_private_and_its_space_can_be_reclaimed(store: Store, path: Path) -> None:
    await store.write([started()])
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    database = sqlite3.connect(path)
    pragmas = {
        name: database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("auto_vacuum", "journal_mode", "user_version")
    }
    database.close()
    assert pragmas == {"auto_vacuum": 2, "journal_mode": "wal", "user_version": len(MIGRATIONS)}


async def test_a_link_to_it_may_be_given(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for _ in range(2):  # a new file, and one that is there
        store = await open_sqlite(link)
        await store.write([started()])
        await store.close()
    assert len(rows(path, "aibridge_interceptions")) == 2
    store = await open_sqlite(link)
    link.unlink()
    link.symlink_to(tmp_path / "other.db")
    with pytest.raises(StoreUnavailable, match=r"link\.db.*replaced"):
        await store.write([started()])
    await store.close()


async def test_what_a_lost_database_leaves_is_not_deleted(path: Path) -> None:
    path.parent.mkdir()
    wal = path.with_name(f"{path.name}-wal")
    wal.write_bytes(b"the last commits")
    with pytest.raises(StoreUnavailable, match=r"coderai\.db-wal is.*put the database back"):
        await open_sqlite(path)
    assert wal.read_bytes() == b"the last commits"


async def test_nothing_more_is_written_into_files_that_are_lost(store: Store, path: Path, tmp_path: Path) -> None:
    await store.write([started()])
    wal, away = path.with_name(f"{path.name}-wal"), tmp_path / "away"
    wal.rename(away)
    with pytest.raises(StoreUnavailable):
        await store.write([started()])
    size = away.stat().st_size
    with pytest.raises(StoreUnavailable):
        await store.write([started()])
    assert away.stat().st_size == size
    away.rename(wal)
    await store.write([started()])
    assert wal.stat().st_size > size


@pytest.mark.parametrize("name", ["coderai.db", "coderai.db-wal"])
async def test_what_was_put_in_the_place_of_one_is_told_from_it(
    store: Store, path: Path, tmp_path: Path, name: str
) -> None:
    """By whoever restores a backup while the server runs."""
    await store.write([started()])
    file, away = path.with_name(name), tmp_path / "away"
    file.rename(away)
    shutil.copyfile(away, file)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"coderai\.db.*replaced"):
            await store.write([started()])
    away.rename(file)
    await store.write([started()])


def test_several_may_make_it_at_once(tmp_path: Path) -> None:
    """As workers do. SQLite would tell one of them now and then that the database is locked."""
    for attempt in range(50):
        path = tmp_path / str(attempt) / "coderai.db"
        path.parent.mkdir()
        together = threading.Barrier(4)
        with ThreadPoolExecutor(4) as threads:
            opening = [threads.submit(lambda: (together.wait(), open_writer(path))[1]) for _ in range(4)]  # noqa: B023
            for opened in opening:
                writer = opened.result()
                assert writer.execute("PRAGMA auto_vacuum").fetchone() == (2,)
                writer.close()


def test_a_store_that_nobody_closed_lets_the_process_end(path: Path) -> None:
    script = f"""
import asyncio, pathlib
from coderai.store import open_sqlite

async def main():
    store = await open_sqlite(pathlib.Path({str(path)!r}))
    raise SystemExit(7)

asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 7


@pytest.mark.parametrize(
    "change",
    [
        "metadata = 'no JSON'",
        "metadata = '[]'",
        "metadata = x'ff'",
        "metadata = 5",
        "metadata = '" + '{"a":' * 100_000 + "'",
        "created_at = 'x'",
        "created_at = 0.5",
        "created_at = '2026-01-01'",
    ],
)
async def test_a_prompt_that_somebody_made_unreadable_has_no_line(store: Store, path: Path, change: str) -> None:
    batch = exchange()
    await store.write(batch[:2])
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"UPDATE aibridge_user_prompts SET {change}")
    assert await store.instances.prompts([batch[0].id]) == []
