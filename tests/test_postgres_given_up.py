"""Work on PostgreSQL that is given up, or taken up again: nothing of it is done late, and nothing stays behind it."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

from coderai.store import StoreUnavailable
from coderai.store.selection import Filter
from tests.databases import change, environment, opened, query
from tests.gateway import coderai
from tests.trail import exchange, listed, now
from tests.waiting import until
from tests.way import Way

OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'coderai %'"


async def test_whoever_reads_does_not_notice_that_the_connections_were_closed_meanwhile(empty: str) -> None:
    """By a restart of the server, or by what is between and closes what is idle."""
    store = await opened(empty)
    user = await store.people.create_user("alice", "alice@example.com", "member")
    await store.write(exchange())
    for _ in range(2):
        assert await store.people.user("alice") == user
        assert len(await listed(store, Filter(), limit=9)) == 1
        assert (await store.verify("", "9999", {})).breaks == []
        ended = query(empty, f"SELECT pg_terminate_backend(pid, 10000) {OURS}")
        assert ended == [(True,)] * len(ended) and len(ended) > 1
    await store.close()


async def test_a_report_that_is_cancelled_at_the_server_is_not_begun_again(empty: str) -> None:
    """By who sees to the database: it takes too much of it."""
    store = await opened(empty)
    assert (await store.verify("", "9999", {})).breaks == []  # over a connection that is there already
    with psycopg.connect(empty, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        report = asyncio.create_task(store._driver.report("SELECT pg_advisory_lock_shared(1)"))
        waiting = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"
        await asyncio.to_thread(until, lambda: holder.execute(waiting).fetchone() == (1,))
        holder.execute(f"SELECT pg_cancel_backend(pid) {OURS} AND wait_event_type = 'Lock'")
        with pytest.raises(StoreUnavailable, match="canceling statement"):
            await report
    await store.close()


async def test_what_nobody_waits_for_any_more_is_given_up_all_the_same(way: Way) -> None:
    """Else a single client that goes amid a look-up could leave all others behind one that never ends."""
    store = await opened(way.url)
    assert await store.people.users() == []
    way.swallow(b"FROM users")
    asking = asyncio.create_task(store.people.users())
    await asyncio.to_thread(until, lambda: way.broken)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with suppress(StoreUnavailable):  # in its turn just in time, or not
        await store.people.users()
    assert await store.people.users() == []
    await store.close()


async def test_the_server_gives_it_up_as_well(empty: str) -> None:
    """And whoever is stopped amid a transaction loses its locks. A purge waits for no lock, everybody else does."""
    store = await opened(empty)
    settings = "SELECT {}".format(
        ", ".join(
            f"current_setting('{name}')"
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
        )
    )
    await store.write(exchange())
    assert (await store.purge.batch(now()))["aibridge_interceptions"] == 1
    written = await store._driver.transaction(lambda db: db.execute(settings).fetchone())
    assert written == ("5s", "5s", "0")
    assert await store._driver.fetch(settings) == [("5s", "5s", "0")]
    assert await store._driver.report(settings) == [("1min", "1min", "0")]
    assert await store._driver.snapshot(lambda db: db.execute(settings).fetchone()) == ("1min", "1min", "0")
    unlimited = await store._driver.snapshot(lambda db: db.execute(settings).fetchone(), unlimited=True)
    assert unlimited == ("0", "0", "0")
    await store.close()


async def test_a_report_is_of_one_state(empty: str) -> None:
    """Else whatever is written while a trail is verified would look like tampering."""
    store = await opened(empty)
    await store.write(exchange())
    sql = "SELECT count(*) FROM aibridge_interceptions"

    def twice(db: psycopg.Connection) -> list[object]:
        before = db.execute(sql).fetchone()
        change(empty, "DELETE FROM aibridge_interceptions")
        return [before, db.execute(sql).fetchone()]

    assert await store._driver.snapshot(twice) == [(1,), (1,)]
    assert await store._driver.report(sql) == [(0,)]
    await store.close()


def test_a_database_that_may_only_be_read_is_told_with_its_remedy(empty: str) -> None:
    """A standby, most often."""
    with psycopg.connect(empty, autocommit=True) as owner:
        (name,) = owner.execute("SELECT current_database()").fetchone() or ()
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    done = coderai("users", "list", env=environment(empty), check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "read-only transaction; name the primary with --postgres-url" in done.stderr
