"""Checkpoints of the WAL: how long it grows, and who waits."""

import asyncio
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from coderai.records import Prompt
from coderai.store import Store, open_sqlite, sqlite, times
from tests.trail import AT, ended, exchange, found, started

DESCRIPTORS = Path("/proc/self/fd")


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


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Until this is set, the disk takes no pages out of the WAL; and every commit asks it to."""
    monkeypatch.setattr("coderai.store.sqlite_wal.CHECKPOINT_ROWS", 1)
    may_go_on = threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        may_go_on.wait(30)
        checkpoint(connection)

    checkpoint = sqlite._checkpoint
    monkeypatch.setattr(sqlite, "_checkpoint", slow)
    return may_go_on


async def test_a_purge_waits_for_its_end_and_nobody_else(store: Store, held: threading.Event) -> None:
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


async def test_waits_for_the_disk_beside_the_writer(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
