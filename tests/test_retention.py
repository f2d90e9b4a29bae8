"""Retention on a real store: what goes, what stays, and that no orphan is left."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from coderai.records import Prompt, Thought, ToolCall
from coderai.retention import Retention
from coderai.store import Store, StoreUnavailable, times
from coderai.store.purge import BATCH, BATCH_BYTES, CHILD_TABLES, CONTENT_TABLES
from coderai.store.sqlite_care import RECLAIMED_PAGES
from tests.databases import Place, change, counts, opened, query, read_only, tables
from tests.logs.opened import open_logs
from tests.trail import AT, exchange, found, now
from tests.waiting import until

HOUR = 3600
TABLES = (
    "aibridge_interceptions",
    "aibridge_model_thoughts",
    "aibridge_provider_objects",
    "aibridge_token_usages",
    "aibridge_tool_usages",
    "aibridge_user_prompts",
)


async def test_every_table_of_records_is_purged(store: Store, place: Place) -> None:
    """Fails for a table of the trail that TABLES, and so the tests below, do not know."""
    # Seals and instances go with the interceptions (tests/test_seals.py); the mark of the contents is one row.
    kept = {"users", "tokens", "aibridge_past_seals", "aibridge_instances", "aibridge_retention", "coderai_schema"}
    assert tables(place) - kept == set(TABLES)


async def test_old_records_go_and_new_ones_stay(store: Store, place: Place, tmp_path: Path) -> None:
    log = open_logs(human="", json=str(tmp_path / "log.json"), verbose=True)
    old = now() - 2 * HOUR * 1_000_000
    for _ in range(2 * BATCH + 1):
        await store.write(exchange(old))
    await store.write(exchange(now()))
    retention = Retention(store, log, seconds=HOUR)
    assert await retention.purge() == dict.fromkeys(TABLES, 2 * BATCH + 1)
    assert counts(place, TABLES) == dict.fromkeys(TABLES, 1)
    assert await retention.purge() == {}
    log.close()
    line, none = [json.loads(line) for line in (tmp_path / "log.json").read_text().splitlines()]
    assert line["msg"] == "deleted old records"
    assert (none["level"], none["fields"]) == ("DEBUG", {"retention": "1h0m0s"})
    assert {name: line["fields"][name] for name in TABLES} == dict.fromkeys(TABLES, 2 * BATCH + 1)


HOLDS = """
import sys
from pathlib import Path
from coderai.store.presence import Presence
with Presence(Path(sys.argv[1])).exclusively():
    print("held", flush=True)
    sys.stdin.read()
"""


async def test_one_process_at_a_time_purges(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    await store.write(exchange(now() - 2 * HOUR * 1_000_000))
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDS, str(path), **pipes)
    assert other.stdout is not None and await other.stdout.readline() == b"held\n"
    assert await store.purge.batch(now()) == {}
    await other.communicate(b"")  # its input ends, and so does it
    assert (await store.purge.batch(now()))["aibridge_interceptions"] == 1
    await store.write(exchange(now() - 2 * HOUR * 1_000_000))
    read_only(path, store, True)
    with pytest.raises(StoreUnavailable):
        await store.purge.batch(now())
    third = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDS, str(path), **pipes)
    assert await third.communicate(b"") == (b"held\n", None)  # though this one goes on, and has failed
    await store.close()


async def test_space_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    old = now() - 2 * HOUR * 1_000_000
    for _ in range(300):
        await store.write(exchange(old, model="m" * 500, client_session_id="s" * 250))
    await Retention(store, open_logs(human=""), seconds=HOUR).purge()
    assert query(path, "PRAGMA freelist_count") == [(0,)]
    assert path.stat().st_size == 4096 * query(path, "PRAGMA page_count")[0][0] < 200_000  # while it is in use
    await store.close()


async def test_space_is_given_back_in_pieces_that_are_worth_it(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    for n in range(100):
        await store.write(exchange(n, call_id="c" * 500, model="m" * 500))
    while await store.purge.batch(now()):
        pass
    ((free,),) = query(path, "PRAGMA freelist_count")
    for _ in range(-(-free // RECLAIMED_PAGES)):
        assert await store.purge.reclaim()
    assert not await store.purge.reclaim()
    assert query(path, "PRAGMA freelist_count") == [(0,)]
    await store.close()


async def test_no_byte_of_what_was_deleted_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    for n in range(200):  # the pages of the old ones hold new ones, too, and stay
        await store.write(exchange(now() if n % 3 else now() - 2 * HOUR * 1_000_000, call_id=f"call_{n}"))
    await Retention(store, open_logs(human=""), content_seconds=HOUR).purge()
    await store.close()
    kept = query(path, "SELECT count(*) FROM aibridge_user_prompts")[0][0]
    data = path.read_bytes()
    assert (kept, data.count(b"I should look"), data.count(b'{"command": "ls"}')) == (133, 133, 133)


async def test_zero_keeps_everything_and_can_be_changed(store: Store, place: Place) -> None:
    await store.write(exchange(0))
    retention = Retention(store, open_logs(human=""))
    assert await retention.purge() == {}
    assert counts(place, TABLES) == dict.fromkeys(TABLES, 1)
    retention.seconds = HOUR
    assert await retention.purge() == dict.fromkeys(TABLES, 1)


async def test_it_runs_at_the_start_and_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderai.retention.INTERVAL_SECONDS", 0.01)
    written = tmp_path / "log.json"
    log = open_logs(human="", json=str(written))
    await store.write(exchange(0))
    running = asyncio.create_task(Retention(store, log, seconds=HOUR).run())
    for purges in (1, 2):
        await asyncio.to_thread(until, lambda most=purges: written.read_text().count("deleted old records") >= most)
        await store.write(exchange(0))
    running.cancel()
    await asyncio.wait([running])
    log.close()


async def test_e13_16_it_is_done_in_small_batches_and_writers_get_in_between(store: Store, place: Place) -> None:
    for _ in range(5 * BATCH):
        await store.write(exchange(0))
    purge = asyncio.create_task(Retention(store, open_logs(human=""), seconds=HOUR).purge())
    await store.write(exchange(now()))
    assert not purge.done()
    await purge
    assert counts(place, TABLES) == dict.fromkeys(TABLES, 1)


async def test_long_texts_go_a_few_at_a_time(store: Store) -> None:
    long = "." * (BATCH_BYTES // 2)
    called = ToolCall(message_id="resp_1", call_id="call_1", tool="shell", input=long)
    for n, finding in enumerate((Thought(long), called, Prompt(long), called, Thought(long))):
        batch = exchange(n)
        await store.write([*batch[:-1], found(batch[0], finding), batch[-1]])
    contents, whole = [
        [(await delete(now())).get(what, 0) for _ in range(4)]
        for delete, what in ((store.purge.contents, "contents"), (store.purge.batch, "aibridge_interceptions"))
    ]
    assert (contents, whole) == ([2, 2, 1, 0], [5, 0, 0, 0])


async def test_a_failing_store_is_logged_and_tried_again_later(store: Store, place: Place, tmp_path: Path) -> None:
    log = open_logs(human="", json=str(tmp_path / "log.json"))
    await store.write(exchange(0))
    retention = Retention(store, log, seconds=HOUR)
    read_only(place, store, True)
    assert await retention.purge() == {}
    read_only(place, store, False)
    assert await retention.purge() == dict.fromkeys(TABLES, 1)
    log.close()
    messages = [json.loads(line)["msg"] for line in (tmp_path / "log.json").read_text().splitlines()]
    assert messages == ["old records could not be deleted, next try in ten minutes", "deleted old records"]


async def test_contents_can_go_earlier_than_counts(store: Store, place: Place) -> None:
    for _ in range(BATCH + 1):
        await store.write(exchange(now() - 2 * HOUR * 1_000_000))
    await store.write(exchange(now()))
    unended = exchange(now() - 2 * HOUR * 1_000_000)
    await store.write(unended[:-1])
    retention = Retention(store, open_logs(human=""), seconds=24 * HOUR, content_seconds=HOUR)
    counted = await retention.purge()
    assert (counted["aibridge_user_prompts"], counted["aibridge_model_thoughts"]) == (BATCH + 1, BATCH + 1)
    assert counts(place, TABLES) == dict.fromkeys(TABLES, BATCH + 3) | {
        "aibridge_user_prompts": 2,  # one is new, one of an interception that is still under way
        "aibridge_model_thoughts": 2,
    }
    assert query(place, "SELECT count(*) FROM aibridge_tool_usages WHERE input = ''") == [(BATCH + 1,)]
    assert query(place, "SELECT sum(output_tokens) FROM aibridge_token_usages") == [(7 * (BATCH + 3),)]
    await store.write(unended[-1:])
    assert (await retention.purge())["aibridge_user_prompts"] == 1
    assert await retention.purge() == {}


async def test_a_time_whose_bytes_somebody_changed_does_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    for n in range(2 * BATCH):
        await store.write(exchange(AT + n))
    place = BATCH - 1  # the last of the first batch
    time = "CAST(replace(started_at, 'Z', '') AS BLOB) || x'ff'"  # behind its neighbour before, as it was
    change(path, f"UPDATE aibridge_interceptions SET started_at = CAST({time} AS TEXT) WHERE rowid = {place + 1}")
    while await store.purge.contents(now()):
        pass
    assert counts(path, CONTENT_TABLES) == dict.fromkeys(CONTENT_TABLES, 0)
    (mark,) = query(path, "SELECT started_at FROM aibridge_retention WHERE name = 'contents'")
    assert mark == (times.text(AT + 2 * BATCH - 1),)
    await store.close()


async def test_names_and_ids_whose_bytes_somebody_changed_go_as_well(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    for n in range(2 * BATCH):
        await store.write(exchange(AT + n))
    changed = f"object_id = CAST(x'66ff' AS TEXT) WHERE created_at = '{times.text(AT)}'"
    change(path, f"UPDATE aibridge_provider_objects SET {changed}")
    id = "CAST(x'66ff' AS TEXT)"
    change(
        path,
        f"UPDATE aibridge_interceptions SET id = {id} WHERE started_at = '{times.text(AT)}'",
        *(f"UPDATE {table} SET interception_id = {id} WHERE created_at = '{times.text(AT)}'" for table in CHILD_TABLES),
    )
    while await store.purge.contents(AT + BATCH):
        pass
    assert counts(path, CONTENT_TABLES) == dict.fromkeys(CONTENT_TABLES, BATCH)
    deleted = 0
    while done := await store.purge.batch(now()):
        deleted += done.get("aibridge_provider_objects", 0)
        assert deleted <= 2 * BATCH
    assert counts(path, TABLES) == dict.fromkeys(TABLES, 0)
    await store.close()


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "3026-02-02T02:40:00Z"])
async def test_a_mark_that_somebody_set_ahead_of_all_time_keeps_no_contents(
    store: Store, place: Place, time: str
) -> None:
    await store.write(exchange(AT))
    await store.purge.contents(AT + 1)
    change(place, f"UPDATE aibridge_retention SET started_at = '{time}'")
    kept = exchange(now())
    await store.write(kept, late=True)  # is held against the mark
    assert counts(place, CONTENT_TABLES) == dict.fromkeys(CONTENT_TABLES, 1)
    await store.write(exchange(AT + 1))
    while await store.purge.contents(AT + 2):
        pass
    assert query(place, "SELECT interception_id FROM aibridge_user_prompts") == [(kept[0].id,)]
    assert (await store.verify("", "9999", {})).breaks == []


@pytest.mark.parametrize(
    "changed", ["ended_at = NULL", "ended_at = NULL, seal = NULL", "instance_id = 'x', ended_at = NULL"]
)
async def test_an_end_that_somebody_removed_does_not_keep_the_contents_behind_it(
    store: Store, place: Place, changed: str
) -> None:
    batches = [exchange(AT + n, call_id=f"c{n}") for n in range(3)]
    died = await opened(place)
    for batch in batches:
        await died.write(batch)
    await died.instances.leave()
    await died.close()
    running = exchange(AT + 3)
    await store.write(running[:-1])
    change(place, f"UPDATE aibridge_interceptions SET {changed} WHERE id = '{batches[0][0].id}'")
    while await store.purge.contents(now()):
        pass
    assert query(place, "SELECT interception_id FROM aibridge_user_prompts") == [(running[0].id,)]
    assert batches[0][0].id in (await store.verify("", "9999", {})).breaks[0].what
