"""SQLite's own: files, their modes and their faults. What both databases share is in test_store.py."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coderai.records import Prompt
from coderai.store import Store, StoreUnavailable, open_sqlite, sqlite, times
from coderai.store.migrations import MIGRATIONS
from coderai.store.sqlite_file import open_writer
from tests.databases import rows
from tests.trail import AT, ended, exchange, found, started

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "coderai.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_sqlite(path)
    yield opened
    await opened.close()


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


class TestOpening:
    async def refusal(self, path: Path) -> str:
        with pytest.raises(StoreUnavailable) as caught:
            await open_sqlite(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    async def test_a_directory(self, tmp_path: Path) -> None:
        assert "is a directory; name a file with --sqlite-path" in await self.refusal(tmp_path)

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("my notes, which are long enough to look like a header" * 10)
        assert "damaged or no database" in await self.refusal(path)
        assert path.read_text().startswith("my notes")

    async def test_a_newer_schema(self, store: Store, path: Path) -> None:
        database = sqlite3.connect(path)
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        database.close()
        assert "newer coderai" in await self.refusal(path)

    @pytest.mark.parametrize("version", [-1, 0, 1, len(MIGRATIONS)])
    async def test_another_programs_database(self, tmp_path: Path, version: int) -> None:
        """Whatever it numbers its schema."""
        path = tmp_path / "other.db"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE bookmarks (url)")
        database.execute(f"PRAGMA user_version = {version}")
        database.close()
        assert "another program" in await self.refusal(path)

    async def test_a_parent_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert "--sqlite-path" in await self.refusal(tmp_path / "file" / "coderai.db")

    async def test_a_locked_file(self, path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("coderai.store.sqlite_file.BUSY_TIMEOUT_SECONDS", 0.01)
        impatient = await open_sqlite(path)
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process holds it"):
            await impatient.write([started()])
        holder.close()
        await impatient.write([started()])
        await impatient.close()

    async def test_again_with_all_that_was_in_it(self, path: Path) -> None:
        first = await open_sqlite(path)
        await first.write(exchange())
        await first.close()
        second = await open_sqlite(path)
        assert len(rows(path, "aibridge_interceptions")) == 1
        await second.close()


async def test_the_wal_stays_short_however_long_the_prompts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, growth = 16_000_000, 4_000_000
    monkeypatch.setattr("coderai.store.sqlite_file.WAL_LIMIT_BYTES", limit)
    monkeypatch.setattr("coderai.store.sqlite_wal.CHECKPOINT_BYTES", growth)
    store = await open_sqlite(path)
    driver: Any = store._driver
    longest = {"written": 0, "deleted": 0, "reclaimed": 0}

    async def measure(what: str) -> None:
        if driver._checkpoint:  # else as much may be written meanwhile as the disk takes time
            await asyncio.wait([driver._checkpoint])
        longest[what] = max(longest[what], path.with_name("coderai.db-wal").stat().st_size)

    for n in range(100):
        start = started(n if n < 50 else AT + n)  # the pages of the later ones are to move into the earlier ones' place
        await store.write([start, found(start, Prompt("long " * 200_000)), ended(start)])
        await measure("written")
    while await store.purge.batch(AT):
        await measure("deleted")
    while await store.purge.reclaim():
        await measure("reclaimed")
    await store.close()
    assert max(longest.values()) < limit + 4 * growth, longest


class TestCheckpoint:
    @pytest.fixture
    def held(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        """Until this is set, the disk takes no pages out of the WAL; and every commit asks it to."""
        monkeypatch.setattr("coderai.store.sqlite_wal.CHECKPOINT_ROWS", 1)
        may_go_on = threading.Event()

        def slow(connection: sqlite3.Connection) -> None:
            may_go_on.wait(30)
            checkpoint(connection)

        checkpoint = sqlite._checkpoint
        monkeypatch.setattr(sqlite, "_checkpoint", slow)
        return may_go_on

    async def test_a_purge_waits_for_its_end_and_nobody_else(self, store: Store, held: threading.Event) -> None:
        """The writer has to move what is written meanwhile, and everybody would wait for that."""
        await store.write(exchange())
        purge = asyncio.create_task(store.purge.batch(times.now()))
        reclaim = asyncio.create_task(store.purge.reclaim())
        for _ in range(3):
            await store.write(exchange())
        assert not purge.done() and not reclaim.done()
        held.set()
        assert (await purge)["aibridge_interceptions"] == 4
        await reclaim

    async def test_waits_for_the_disk_beside_the_writer(
        self, store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a descriptor of its own, as its end would be the end of SQLite's locks."""
        flushed: list[tuple[str, Path]] = []

        def fsync(descriptor: int) -> None:
            own = DESCRIPTORS / str(descriptor)
            assert own in before
            flushed.append((threading.current_thread().name, own.readlink()))
            real(descriptor)

        real = os.fsync
        before = descriptors()
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr("coderai.store.sqlite_wal.CHECKPOINT_ROWS", 1)
        await store.write(exchange())
        await store.purge.batch(AT)  # waits for the checkpoint
        assert set(flushed) == {("sqlite-checkpoints", path)}


def descriptors() -> set[Path]:
    return set(DESCRIPTORS.iterdir())


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


class TestAtOnce:
    """A commit for a request that is served alone spares the hop to the writer's thread."""

    @pytest.fixture
    async def store(self, store: Store) -> Store:
        await store.write([started()])  # the first commit waits for the disk
        return store

    @staticmethod
    def whose(_: object) -> str:
        return threading.current_thread().name

    async def test_not_the_first_one_nor_the_first_behind_a_checkpoint(self, path: Path) -> None:
        """With it the WAL begins anew, and waits for the disk to have its head."""
        store = await open_sqlite(path)
        for _ in range(2):
            assert await store._driver.transaction(self.whose, at_once=True) == "sqlite-writer"
            await store.write(exchange(), at_once=True)
            assert await store._driver.transaction(self.whose, at_once=True) == threading.current_thread().name
            await asyncio.wait([store._driver._start_checkpoint()])
        await store.close()

    async def test_in_the_loops_own_thread(self, store: Store, path: Path) -> None:
        driver = store._driver
        assert await driver.transaction(self.whose, at_once=True) == threading.current_thread().name
        assert await driver.transaction(self.whose) == "sqlite-writer"
        await store.write(exchange(), at_once=True)
        assert len(rows(path, "aibridge_interceptions")) == 2

    async def test_not_before_what_the_thread_has_to_do(self, store: Store) -> None:
        first = asyncio.ensure_future(store._driver.transaction(self.whose))
        await asyncio.sleep(0)
        assert await store._driver.transaction(self.whose, at_once=True) == "sqlite-writer"
        assert await first == "sqlite-writer"

    async def test_not_where_a_commit_waits_for_the_disk(self, path: Path) -> None:
        store = await open_sqlite(path, "full")
        assert await store._driver.transaction(self.whose, at_once=True) == "sqlite-writer"
        await store.close()

    async def test_the_loop_does_not_wait_for_another_process(self, store: Store, path: Path) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(store.write(exchange(), at_once=True))
        await store.ping()
        assert not waiting.done()
        other.execute("COMMIT")
        other.close()
        await waiting
        assert len(rows(path, "aibridge_interceptions")) == 2

    async def test_what_fails_in_it_is_undone(self, store: Store, path: Path) -> None:
        def work(db: Any) -> None:
            db.execute("INSERT INTO users (id, name, created_at) VALUES ('1', 'x', 'y')")
            db.execute("INSERT INTO nowhere VALUES (1)")

        with pytest.raises(StoreUnavailable, match="nowhere"):
            await store._driver.transaction(work, at_once=True)
        assert rows(path, "users") == []
        await store.write(exchange(), at_once=True)
        assert len(rows(path, "aibridge_interceptions")) == 2


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
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE aibridge_user_prompts SET {change}")
    assert await store.instances.prompts([batch[0].id]) == []
