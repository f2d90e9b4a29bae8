"""Ways to PostgreSQL that break, and work that takes its time, one connection at a time."""

import asyncio

import psycopg
import pytest

from coderai.store import StoreUnavailable
from coderai.store.postgres import COMMIT_SECONDS
from coderai.store.postgres_schema import MIGRATION_LOCK
from tests.databases import change, counts, opened
from tests.trail import exchange, now
from tests.way import Way

TABLES = ("aibridge_interceptions", "aibridge_user_prompts", "aibridge_token_usages", "aibridge_tool_usages")


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


@pytest.mark.parametrize("first", [b"application_name", b"SET "])
async def test_a_server_that_stands_still_as_soon_as_it_is_connected_to_is_given_up(way: Way, first: bytes) -> None:
    store = await opened(way.url)
    way.cut_after(b"COMMIT")
    way.swallow(first)
    for told in ("database ", "; check --postgres-url"):  # it is cut; the next one stands still
        with pytest.raises(StoreUnavailable, match=told):
            await store.write(exchange())
    assert way.broken
    async with asyncio.timeout(5):
        await store.write(exchange())
    await store.close()


@pytest.mark.parametrize("pooled", [False, True])
async def test_behind_a_pooler_nothing_is_prepared(way: Way, pooled: bool) -> None:
    """Its next transaction may be another server process's, where the same name is another statement, or none."""
    way.pools = pooled
    store = await opened(way.url)
    sql = "SELECT count(*) FROM pg_prepared_statements"
    for n in range(12):
        await store.write(exchange(call_id=f"call_{n}"))
        ((read,),) = await store._driver.report(sql)
        ((looked_up,),) = await store._driver.fetch(sql)
    (written,) = await store._driver.transaction(lambda db: db.execute(sql).fetchone())
    assert [bool(count) for count in (read, looked_up, written)] == [not pooled] * 3
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
    adding = asyncio.create_task(store.people.create_user("alice", "", "member"))
    await again
    with pytest.raises(StoreUnavailable):  # waits behind it, for no longer than a commit may take
        await adding
    await store.people.create_user("alice", "", "member")  # the first one is not added late: the name is free
    assert counts(way.to, TABLES) == dict.fromkeys(TABLES, 1)
    await store.close()


async def test_a_commit_that_was_given_up_and_succeeds_later_leaves_one_chain(way: Way) -> None:
    """Of an end alone, which waits for nothing that the first try has inserted."""
    store = await opened(way.url)
    first, second = exchange(call_id="call_1"), exchange(call_id="call_2")
    await store.write([*first, *second[:2]])
    change(
        way.to,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(8); RETURN NEW; END'",
        # at the COMMIT, which no statement's time limits
        "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON aibridge_interceptions DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION slow()",
    )
    with pytest.raises(StoreUnavailable):
        await store.write(second[-1:])
    await store.write(second[-1:])
    third = exchange(call_id="call_3")
    await store.write(third)
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.links, verdict.breaks) == (3, 3, [])
    await store.close()


async def test_a_database_that_confirms_too_early_is_told_not_to(way: Way) -> None:
    change(
        way.to,
        "ALTER ROLE CURRENT_USER SET synchronous_commit = off",
        "ALTER ROLE CURRENT_USER SET default_transaction_isolation = serializable",
    )
    try:
        store = await opened(way.url)
        shown = "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')"
        assert await store._driver.transaction(lambda db: db.execute(shown).fetchone()) == ("on", "read committed")
        await store.close()
    finally:
        change(way.to, "ALTER ROLE CURRENT_USER RESET ALL")


@pytest.mark.parametrize("late", [False, True])
async def test_what_ends_while_it_is_purged_leaves_its_seal_or_none(way: Way, late: bool) -> None:
    store, other = await opened(way.url), await opened(way.url)
    batch = exchange()
    await store.write([*exchange(), *batch[:2]])
    change(
        way.to,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN OLD; END'",
        "CREATE TRIGGER wait BEFORE DELETE ON aibridge_model_thoughts FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    with psycopg.connect(way.to, autocommit=True) as holder:

        async def waiting(count: int, beside: "asyncio.Task[object]") -> None:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while holder.execute(sql).fetchone() != (count,) and not beside.done():  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.01)

        holder.execute("SELECT pg_advisory_lock(1)")
        purging: asyncio.Task[object] = asyncio.create_task(other.purge.batch(now()))
        await waiting(1, purging)
        ending: asyncio.Task[object] = asyncio.create_task(store.write(batch[-1:], late=late))
        await waiting(2, ending)
        holder.execute("SELECT pg_advisory_unlock(1)")
        assert await purging
        await ending
    await store.write(exchange())
    assert (await store.verify("", "9999", {})).breaks == []
    for one in (store, other):
        await one.close()
