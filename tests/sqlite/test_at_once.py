"""A commit for a request that is served alone spares the hop to the writer's thread."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from coderai.store import Store, StoreUnavailable, open_sqlite
from tests.databases import rows
from tests.trail import exchange, started


@pytest.fixture
async def store(store: Store) -> Store:
    await store.write([started()])  # the first commit waits for the disk
    return store


def whose(_: object) -> str:
    return threading.current_thread().name


async def test_not_the_first_one_nor_the_first_behind_a_checkpoint(path: Path) -> None:
    """With it the WAL begins anew, and waits for the disk to have its head."""
    store = await open_sqlite(path)
    for _ in range(2):
        assert await store._driver.transaction(whose, at_once=True) == "sqlite-writer"
        await store.write(exchange(), at_once=True)
        assert await store._driver.transaction(whose, at_once=True) == threading.current_thread().name
        await asyncio.wait([store._driver._start_checkpoint()])
    await store.close()


async def test_in_the_loops_own_thread(store: Store, path: Path) -> None:
    driver = store._driver
    assert await driver.transaction(whose, at_once=True) == threading.current_thread().name
    assert await driver.transaction(whose) == "sqlite-writer"
    await store.write(exchange(), at_once=True)
    assert len(rows(path, "aibridge_interceptions")) == 2


async def test_not_before_what_the_thread_has_to_do(store: Store) -> None:
    first = asyncio.ensure_future(store._driver.transaction(whose))
    await asyncio.sleep(0)
    assert await store._driver.transaction(whose, at_once=True) == "sqlite-writer"
    assert await first == "sqlite-writer"


async def test_not_where_a_commit_waits_for_the_disk(path: Path) -> None:
    store = await open_sqlite(path, "full")
    await store.write([started()])  # the first one does anyway
    assert await store._driver.transaction(whose, at_once=True) == "sqlite-writer"
    assert await store._driver.transaction(lambda db: db.execute("PRAGMA synchronous").fetchone()) == (2,)  # FULL
    await store.close()


async def test_the_loop_does_not_wait_for_another_process(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(store.write(exchange(), at_once=True))
    await store.ping()
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert len(rows(path, "aibridge_interceptions")) == 2


async def test_what_fails_in_it_is_undone(store: Store, path: Path) -> None:
    def work(db: Any) -> None:
        db.execute("INSERT INTO users (id, name, created_at) VALUES ('1', 'x', 'y')")
        db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreUnavailable, match="nowhere"):
        await store._driver.transaction(work, at_once=True)
    assert rows(path, "users") == []
    await store.write(exchange(), at_once=True)
    assert len(rows(path, "aibridge_interceptions")) == 2
