"""Ways to PostgreSQL that break, and work that takes its time, one connection at a time."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from coderai.store import StoreUnavailable
from coderai.store.postgres import COMMIT_SECONDS
from coderai.store.postgres_schema import MIGRATION_LOCK
from tests.databases import change, counts, opened
from tests.postgres import drop, fresh
from tests.trail import exchange
from tests.way import Way

TABLES = ("aibridge_interceptions", "aibridge_user_prompts", "aibridge_token_usages", "aibridge_tool_usages")


@pytest.fixture
def way(postgres_url: str) -> Iterator[Way]:
    url = fresh(postgres_url)
    way = Way(url)
    yield way
    way.close()
    drop(url)


async def test_a_commit_that_is_not_confirmed_is_neither_lost_nor_doubled(way: Way) -> None:
    store = await opened(way.url)
    batches = [exchange(call_id=f"call_{n}") for n in range(4)]
    await store.write(batches[0])
    for batch in batches[1:]:
        begun, rest = batch[:2], batch[2:]
        for part in (begun, rest):
            way.cut_after(b"COMMIT")
            with pytest.raises(StoreUnavailable):
                await store.write(part)
            assert way.broken
            await store.write(part)
    assert counts(way.to, TABLES) == dict.fromkeys(TABLES, 4)
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.links, verdict.breaks) == (4, 4, [])
    await store.close()


async def test_a_server_that_stands_still_as_soon_as_it_is_connected_to_is_given_up(way: Way) -> None:
    store = await opened(way.url)
    way.cut_after(b"COMMIT")
    way.swallow(b"SET ")
    for _ in range(2):  # its connection is cut; the next one stands still
        with pytest.raises(StoreUnavailable):
            await store.write(exchange())
    assert way.broken
    async with asyncio.timeout(5):
        await store.write(exchange())
    await store.close()


async def test_a_migration_may_take_longer_than_a_commit(way: Way) -> None:
    """That of a large trail, or of another replica, which is waited for."""
    with psycopg.connect(way.to) as another:
        another.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        opening = asyncio.create_task(opened(way.url))
        await asyncio.wait([opening], timeout=COMMIT_SECONDS + 1)
        assert not opening.done()
    await (await opening).close()


async def test_a_batch_that_takes_longer_than_a_commit_may_gets_more_time(way: Way) -> None:
    """Else it would be given up again and again, and nothing would be stored any more."""
    store = await opened(way.url)
    change(
        way.to,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(6); RETURN NEW; END'",
        "CREATE TRIGGER slow BEFORE INSERT ON aibridge_user_prompts FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    batch = exchange()
    with pytest.raises(StoreUnavailable):
        await store.write(batch)
    again = asyncio.create_task(store.write(batch))
    beat = asyncio.create_task(store.instances.beat())  # waits behind it, for no longer than a commit may take
    await again
    with pytest.raises(StoreUnavailable):
        await beat
    await store.instances.beat()
    assert counts(way.to, TABLES) == dict.fromkeys(TABLES, 1)
    await store.close()
