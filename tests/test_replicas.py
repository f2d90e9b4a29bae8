"""Several replicas on one PostgreSQL database: one trail, the same users, one purge at a time."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from coderai.logs.records import RecordLog
from coderai.recorder import Recorder
from coderai.records import Ended, Record, new_id
from coderai.recovery import BATCH, DEAD_AFTER_LOOKS, UNCLAIMED_AFTER_LOOKS, Recovery
from coderai.store import Store
from coderai.store.audit import Verdict
from coderai.store.driver import Connection
from coderai.store.postgres import ALONE_LOCK, COMMIT_SECONDS
from coderai.store.writing import Writing
from tests.databases import Place, change, environment, opened, query
from tests.exchange import MESSAGES, post
from tests.gateway import Gateway, coderai
from tests.logs.opened import open_logs
from tests.postgres import drop, fresh
from tests.provider import Provider
from tests.sealed import verify
from tests.tool_calls import call, thread
from tests.trail import AT, exchange
from tests.waiting import until


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    url = fresh(postgres_url)
    yield url
    drop(url)


def test_threads_and_users_are_one_across_replicas(tmp_path: Path, provider: Provider, url: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (Gateway(tmp_path / name, provider.url, **environment(url)) for name in ("one", "two"))
    token = one.user("alice")
    first = call(provider, one, token, "t1")
    second = call(provider, two, token, "t2", result_of="t1")
    assert thread(second) == (first["interception_id"], first["interception_id"])
    coderai("users", "suspend", "alice", env=one.env)
    waiting = threading.Event()
    for gateway in (one, two):
        for _ in range(120):
            if post(gateway, MESSAGES, b"{", token).status == 403:
                break
            waiting.wait(0.1)  # polls: within ten seconds, says the promise
        else:
            raise AssertionError("a suspended user is still served")
    for gateway in (one, two):
        assert gateway.stop() == 0
    assert "2 interceptions verified" in coderai("audit", "verify", env=environment(url)).stdout


async def test_they_purge_at_the_same_time_and_nothing_goes_twice(url: str) -> None:
    stores = [await opened(url) for _ in range(3)]
    for n in range(250):
        await stores[n % 3].write(exchange(AT + n, call_id=f"c{n}"))

    async def purge(store: Store) -> int:
        count = 0
        while deleted := await store.purge.batch(AT + 1000):
            count += deleted.get("aibridge_interceptions", 0)
        return count

    assert sum(await asyncio.gather(*map(purge, stores))) == 250
    verdict = await stores[0].verify("", "9999", {})
    assert (verdict.links, verdict.breaks) == (0, [])
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    "held", ["SELECT pg_advisory_xact_lock(%(lock)s)", "SELECT 1 FROM aibridge_instances FOR UPDATE"]
)
async def test_one_that_is_stopped_amid_a_purge_holds_up_nobody(url: str, held: str) -> None:
    store = await opened(url)
    await store.write(exchange(AT))
    with psycopg.connect(url) as stopped:
        stopped.execute(held, {"lock": ALONE_LOCK})
        purge = asyncio.create_task(store.purge.batch(AT + 1))
        begun = exchange(AT + 2)[:2]  # needs its row of no instance
        async with asyncio.timeout(COMMIT_SECONDS / 2):
            await store.write(begun)
        assert await purge == {}
    assert (await store.purge.batch(AT + 1))["aibridge_interceptions"] == 1
    await store.close()


async def test_two_that_end_one_interception_at_once(url: str) -> None:
    """One takes the other for dead, which lives: whoever comes second waits, and knows what the first has written."""
    store, other = await opened(url), await opened(url)
    *batch, end = exchange()
    await store.write(batch)
    await other.instances.join()
    inferred = Record(new_id(), end.interception_id, AT, Ended(status=None, error_type="interrupted", inferred=True))
    written, go = threading.Event(), threading.Event()

    def first(db: Connection) -> None:
        Writing(other.instance_id).carefully(db, [inferred])
        written.set()
        go.wait(COMMIT_SECONDS)

    ending = asyncio.ensure_future(other._driver.transaction(first))
    await asyncio.to_thread(written.wait, COMMIT_SECONDS)
    second = asyncio.create_task(store.write([end], late=True))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await asyncio.to_thread(until, lambda: query(url, waiting) == [(1,)])
    go.set()
    await asyncio.gather(ending, second)
    assert await verify(store) == Verdict(interceptions=1, links=2)
    assert query(url, "SELECT status, error_type FROM aibridge_interceptions") == [(200, None)]
    await store.close()
    await other.close()


async def test_one_whose_heart_stands_still_is_taken_for_dead_and_comes_back(place: Place) -> None:
    log = open_logs(human="")
    mine, other = await opened(place), await opened(place)
    recorder, others = Recorder(mine, log), Recorder(other, log)
    theirs = exchange()
    await others.put(theirs[:2])
    recovery = Recovery(mine, recorder, log)
    open_ones = "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL"
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await other.instances.beat()
        await recovery.look()
    if not isinstance(place, Path):  # on SQLite the lock tells at once, and these two are one process
        for _ in range(DEAD_AFTER_LOOKS):  # half a minute is nothing to a process that lives
            await recovery.look()
        assert query(place, open_ones) == [(1,)]
        for _ in range(2):
            await recovery.look()
    assert query(place, open_ones) == [(0,)]
    assert query(place, "SELECT error_type FROM aibridge_interceptions") == [("interrupted",)]
    assert await mine.instances.others() == []
    await other.instances.beat()  # it lives, and is watched again
    assert [one.id for one in await mine.instances.others()] == [other.instance_id]
    await others.put(theirs[2:])
    assert query(place, "SELECT error_type, status FROM aibridge_interceptions") == [(None, 200)]
    assert (await mine.verify("", "9999", {})).breaks == []
    assert await recorder.close() == await others.close() == []
    await mine.close()
    await other.close()


async def test_one_that_comes_back_stores_what_waited_and_dies_leaves_nothing_open(place: Place) -> None:
    """Before its next beat: its database had been out of reach for so long that it was taken for dead."""
    log = open_logs(human="")
    mine, other = await opened(place), await opened(place)
    await other.write(exchange()[:2])
    recorder = Recorder(mine, log)
    recovery = Recovery(mine, recorder, log)
    open_ones = "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL"
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await recovery.look()
    assert query(place, open_ones) == [(0,)]
    await other.write(exchange(call_id="b")[:2], late=True)
    await other.close()
    assert query(place, open_ones) == [(1,)]
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await recovery.look()
    assert query(place, open_ones) == [(0,)]
    assert (await mine.verify("", "9999", {})).breaks == []
    assert await recorder.close() == []
    await mine.close()


async def test_one_of_several_ends_what_a_dead_process_left(tmp_path: Path, place: Place) -> None:
    """The log has each line of it once; one that takes long goes on showing that it lives, and what it is at."""
    dead, *stores = [await opened(place) for _ in range(4)]
    for n in range(2 * BATCH + 1):
        await dead.write(exchange(AT + n)[:2])
    await dead.instances.join()
    logs = [open_logs(human="", json=str(tmp_path / f"{n}.json")) for n in range(3)]
    recorders = [Recorder(store, log, RecordLog(log)) for store, log in zip(stores, logs, strict=True)]
    works = [Recovery(store, recorder, log) for store, recorder, log in zip(stores, recorders, logs, strict=True)]
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await asyncio.gather(*(recovery.look() for recovery in works))
    for log in logs:
        log.close()
    lines = "".join((tmp_path / f"{n}.json").read_text() for n in range(3))
    assert query(place, "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL") == [(0,)]
    assert lines.count('"prompt_usage"') == lines.count('"interception_end"') == 2 * BATCH + 1
    for store, recorder in zip(stores, recorders, strict=True):
        assert await recorder.close() == []
        await store.close()
    await dead.close()


async def test_who_ends_what_a_dead_process_left_is_claimed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_logs(human="")
    dead, killed, mine = await opened(place), await opened(place), await opened(place)
    await dead.instances.join()
    for n in range(2 * BATCH):
        await dead.write(exchange(AT + n)[:2])
    (seen,) = await killed.instances.others()
    claimed = await killed.instances.claim(seen)
    assert claimed is not None
    assert await mine.instances.claim(seen) is None
    recorder = Recorder(mine, log)
    recovery = Recovery(mine, recorder, log)
    monkeypatch.setattr("coderai.recovery.BEAT_SECONDS", 0)
    own = f"SELECT beat FROM aibridge_instances WHERE id = '{mine.instance_id}'"
    open_ones = "SELECT count(*) FROM aibridge_interceptions WHERE ended_at IS NULL"
    await recovery.look()
    assert query(place, open_ones) == [(2 * BATCH,)]
    for _ in range(DEAD_AFTER_LOOKS + 1):  # it does not come back
        await recovery.look()
    assert query(place, open_ones) == [(0,)]
    assert query(place, own) == [(DEAD_AFTER_LOOKS + 4,)]
    theirs = f"SELECT beat FROM aibridge_instances WHERE id = '{dead.instance_id}'"
    assert query(place, theirs) == [(-4,)]  # two claims, the second of which was renewed for each batch
    assert query(place, "SELECT count(*) FROM aibridge_instances WHERE ended_at IS NULL") == [(1,)]
    assert await killed.instances.claim(claimed) is None
    assert await recorder.close() == []
    for store in (dead, killed, mine):
        await store.close()


async def test_a_claim_that_nobody_renews_is_soon_another_s(tmp_path: Path) -> None:
    """The claimant died over it."""
    place = tmp_path / "coderai.db"
    mine, dead = await opened(place), await opened(place)
    await dead.write(exchange()[:2])
    await dead.close()
    recorder = Recorder(mine, open_logs(human=""))
    (instance,) = await mine.instances.others()
    assert await mine.instances.claim(instance) is not None
    recovery = Recovery(mine, recorder, open_logs(human=""))
    for _ in range(UNCLAIMED_AFTER_LOOKS + 2):
        await recovery.look()
    assert query(place, "SELECT error_type FROM aibridge_interceptions") == [("interrupted",)]
    assert await recorder.close() == []
    await mine.close()


@pytest.mark.parametrize("changed", ["CAST(id AS BLOB)", "CAST(substr(CAST(id AS BLOB), 1, 35) || x'80' AS TEXT)"])
@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_an_id_whose_bytes_somebody_changed_keeps_no_dead_process_from_being_ended(
    place: Place, changed: str
) -> None:
    log = open_logs(human="")
    dead = [await opened(place) for _ in range(3)]
    for n, store in enumerate(dead):
        await store.write(exchange(AT + n, call_id=f"c{n}")[:2])
        await store.close()
    change(place, f"UPDATE aibridge_instances SET id = {changed} WHERE id = '{dead[1].instance_id}'")
    mine = await opened(place)
    recorder = Recorder(mine, log)
    recovery = Recovery(mine, recorder, log)
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await recovery.look()
    unended = "SELECT instance_id FROM aibridge_interceptions WHERE ended_at IS NULL"
    assert set(query(place, unended)) <= {(dead[1].instance_id,)}
    asked: list[str] = []
    mine._driver._reports._connection.set_trace_callback(asked.append)
    await recovery.look()
    assert asked == []  # it would read all of the trail
    assert await recorder.close() == []
    await mine.close()


async def test_a_beat_that_somebody_changed_goes_on(place: Place) -> None:
    store, other = await opened(place), await opened(place)
    await store.instances.join()
    change(place, f"UPDATE aibridge_instances SET beat = {2**63 - 1}")
    beats = []
    for _ in range(3):
        await store.instances.beat()
        beats.append(*(one.beat for one in await other.instances.others()))
    assert len(set(beats)) == 3
    await store.close()
    await other.close()
