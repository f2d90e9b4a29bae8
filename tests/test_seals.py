"""Seals: an untouched trail verifies, and whatever somebody changes, removes or inserts is found and named."""

import asyncio
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from coderai import sealing
from coderai.records import AnsweredPrompt, Ended, Record, Thought, Tokens, new_id
from coderai.store import Store, StoreUnavailable, sealed, seals
from coderai.store.audit import MOST_CHUNK, Verdict
from coderai.store.purge import CHILD_TABLES
from coderai.store.seals import ChainHead
from tests.databases import Place, change, opened, query, read_only
from tests.logs.opened import lines_of, open_logs
from tests.sealed import HOUR, five, verify
from tests.trail import AT, ended, exchange, found, started
from tests.waiting import until


async def test_an_untouched_trail_verifies(store: Store) -> None:
    await five(store)
    await store.write([*exchange(call_id="a"), *exchange(call_id="b")])  # begun and ended in one batch
    followed = started(correlating_tool_call_id="a")
    await store.write([followed])
    await store.write([started()])
    await store.write([ended(followed, error_type="incomplete_stream", error_message="\u20ac")])
    verdict = await verify(store)
    assert verdict == Verdict(interceptions=8, links=8, open=1)
    assert store.head.number == 8


async def test_what_is_in_memory_is_what_the_database_holds(store: Store, place: Place) -> None:
    """A failed commit makes the writer ask the database for what it else has in memory."""
    first, second = exchange(call_id="a"), exchange(call_id="b")
    await store.write([*first[:2], *second[:2]])
    read_only(place, store, True)
    with pytest.raises(StoreUnavailable):
        await store.write(first[2:])
    read_only(place, store, False)
    await store.write(first[2:])
    await store.write(second[2:])
    await store.write(first[2:])  # again: its commit may not have been confirmed
    assert await verify(store) == Verdict(interceptions=2, links=2)


ROWS = [
    "UPDATE aibridge_interceptions SET model = 'gpt-6' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET initiator_id = 'user-2' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET ended_at = '2026-02-02T02:40:01.123457Z' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET status = 201 WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET error_message = 'x' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET metadata = '{{}}' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET thread_root_id = 'x' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET seal = counts_digest WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET seal = NULL WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET counts_digest = content_digest WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET content_digest = NULL WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET instance_id = 'x' WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET seal_number = 77 WHERE id = '{}'",
    "UPDATE aibridge_token_usages SET output_tokens = 8 WHERE interception_id = '{}'",
    "DELETE FROM aibridge_token_usages WHERE interception_id = '{}'",
    "UPDATE aibridge_tool_usages SET input = '{{\"command\": \"lS\"}}' WHERE interception_id = '{}'",
    "UPDATE aibridge_tool_usages SET tool = 'Shell' WHERE interception_id = '{}'",
    "UPDATE aibridge_tool_usages SET injected = NOT injected WHERE interception_id = '{}'",
    "UPDATE aibridge_user_prompts SET prompt = 'fix the hug' WHERE interception_id = '{}'",
    "UPDATE aibridge_user_prompts SET provider_response_id = '' WHERE interception_id = '{}'",
    "DELETE FROM aibridge_user_prompts WHERE interception_id = '{}'",
    "UPDATE aibridge_model_thoughts SET content = '' WHERE interception_id = '{}'",
    "UPDATE aibridge_model_thoughts SET created_at = '2026-02-02T02:40:00Z' WHERE interception_id = '{}'",
    """INSERT INTO aibridge_token_usages (id, interception_id, provider_response_id, input_tokens, output_tokens,
        created_at) VALUES ('x', '{}', 'r', 1, 1, '2026-02-02T02:40:00Z')""",
    """INSERT INTO aibridge_user_prompts (id, interception_id, provider_response_id, prompt, created_at)
        VALUES ('x', '{}', 'r', 'p', '2026-02-02T02:40:00Z')""",
    "DELETE FROM aibridge_interceptions WHERE id = '{}'",
]


@pytest.mark.parametrize("statement", ROWS)
async def test_one_changed_row_is_found_and_named(store: Store, place: Place, statement: str) -> None:
    ids = await five(store)
    change(place, statement.format(ids[2]))
    verdict = await verify(store)
    first = verdict.breaks[0].what
    removed = statement.startswith("DELETE FROM aibridge_interceptions")
    assert ids[3 if removed else 2] in first or "belongs to no interception" in first, verdict.breaks


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE aibridge_interceptions SET started_at = '2026-02-02T02:40:00.123457Z' WHERE id = '{}'",
        "UPDATE aibridge_instances SET seal_number = 4",
        "UPDATE aibridge_instances SET seal = NULL",
        "UPDATE aibridge_instances SET anchor_number = 1",
        "UPDATE aibridge_instances SET id = 'x'",
        "DELETE FROM aibridge_instances",
        """INSERT INTO aibridge_model_thoughts (id, interception_id, content, created_at)
        VALUES ('x', 'y', '', '2026-02-02T02:40:00Z')""",
    ],
)
async def test_so_is_one_elsewhere(store: Store, place: Place, statement: str) -> None:
    ids = await five(store)
    change(place, statement.format(ids[2]))
    assert (await verify(store)).breaks


async def test_the_newest_interception_cannot_be_taken_away(store: Store, place: Place) -> None:
    ids = await five(store)
    change(place, f"DELETE FROM aibridge_interceptions WHERE id = '{ids[4]}'")
    assert any("ends at number 4 instead of 5" in found.what for found in (await verify(store)).breaks)


async def test_those_that_were_taken_out_of_the_middle_are_counted(store: Store, place: Place) -> None:
    """Once, and nothing else is wrong with what is left."""
    ids = await five(store)
    for table in (*CHILD_TABLES, "aibridge_interceptions"):
        column = "id" if table == "aibridge_interceptions" else "interception_id"
        change(place, f"DELETE FROM {table} WHERE {column} IN ('{ids[1]}', '{ids[2]}')")
    assert [found.what for found in (await verify(store)).breaks] == [
        f"interception {ids[3]} (seal 4): before it, 2 interceptions were removed from the chain {store.instance_id}"
    ]


@pytest.mark.parametrize("number", [0, -5])
async def test_a_number_from_before_the_chain_is_named_as_such(store: Store, place: Place, number: int) -> None:
    ids = await five(store)
    change(place, f"UPDATE aibridge_interceptions SET seal_number = {number} WHERE id = '{ids[2]}'")
    chain = store.instance_id
    assert [found.what for found in (await verify(store)).breaks] == [
        f"interception {ids[2]} (seal {number}): the chain {chain} begins behind this number: it was changed",
        f"interception {ids[3]} (seal 4): before it, 1 interception was removed from the chain {chain}",
    ]


async def test_a_chain_of_which_nothing_is_known_is_named_once(store: Store, place: Place) -> None:
    await five(store)
    change(place, "DELETE FROM aibridge_instances")
    assert ["whose row was removed" in found.what for found in (await verify(store)).breaks] == [True]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_a_changed_row_that_is_sealed_anew_breaks_the_chain_behind_it(store: Store, place: Path) -> None:
    """How seals are made is no secret."""
    ids = await five(store)
    change(place, f"UPDATE aibridge_interceptions SET model = 'gpt-6' WHERE id = '{ids[2]}'")
    with closing(sqlite3.connect(place)) as db:
        before, changed = (sealed.read(db, [id])[id] for id in ids[1:3])
        digests = changed.digests()
        seal = seals.seal(before.seal, changed.instance_id, changed.number, changed.id, changed.started_at, digests)
        columns = "counts_digest = ?, content_digest = ?, seal = ?"
        db.execute(f"UPDATE aibridge_interceptions SET {columns} WHERE id = ?", (*digests, seal, changed.id))
        db.commit()
    (found,) = (await verify(store)).breaks
    assert ids[3] in found.what


async def test_an_interception_that_somebody_else_writes_has_no_seal(store: Store, place: Place) -> None:
    await five(store)
    values = (
        "VALUES ('forged', 'user-1', 'openai', 'gpt-5', '2026-02-02T02:41:00.000000Z', '2027-01-01T00:00:00.000000Z')"
    )
    columns = "(id, initiator_id, provider, model, started_at, ended_at)"
    change(place, f"INSERT INTO aibridge_interceptions {columns} {values}")
    assert [found.what for found in (await verify(store)).breaks] == [
        "interception forged: it has no seal: it was inserted, or its seal removed"
    ]


async def test_nor_is_one_that_somebody_leaves_open(store: Store, place: Place) -> None:
    await five(store)
    columns = "(id, initiator_id, provider, model, started_at, instance_id)"
    values = "VALUES ('forged', 'user-1', 'openai', 'gpt-5', '2026-02-02T02:41:00.000000Z', 'no-process')"
    change(place, f"INSERT INTO aibridge_interceptions {columns} {values}")
    assert ["no process is at work on it" in found.what for found in (await verify(store)).breaks] == [True]


@pytest.mark.parametrize("change_of_it", ["status = 200", "seal_number = 1", "content_digest = '\\001'"])
async def test_nor_has_one_that_is_under_way_parts_of_an_end(store: Store, place: Place, change_of_it: str) -> None:
    running = started()
    await store.write([running])
    assert (await verify(store)).open == 1
    change(place, f"UPDATE aibridge_interceptions SET {change_of_it}")
    (found,) = (await verify(store)).breaks
    assert running.id in found.what


async def test_a_trail_that_was_written_anew_does_not_fit_a_seal_that_was_logged(store: Store) -> None:
    await five(store)
    seal = store.head.seal
    assert (await verify(store, n5=seal)).breaks == []
    assert (await verify(store, n5=b"x" * 32)).breaks[0].what.endswith("the trail was written anew")
    assert "not there any more" in (await verify(store, n6=seal)).breaks[0].what


async def test_only_the_given_time_is_read(store: Store, place: Place) -> None:
    ids = await five(store)
    change(place, f"UPDATE aibridge_token_usages SET output_tokens = 8 WHERE interception_id = '{ids[2]}'")
    verdict = await verify(store, "2026-02-02T06:00", "2026-02-02T07:00")
    assert (verdict.interceptions, verdict.links, verdict.breaks) == (1, 5, [])
    assert len((await verify(store, "2026-02-02T04:00", "2026-02-02T05:00")).breaks) == 1


async def test_many_short_ones_are_all_read(store: Store) -> None:
    batches = [exchange(AT + n, call_id=f"call_{n}") for n in range(MOST_CHUNK + 50)]
    await store.write([record for batch in batches for record in batch])
    assert (await verify(store)).interceptions == MOST_CHUNK + 50


async def test_of_large_contents_only_a_few_are_in_memory(store: Store) -> None:
    for n in range(60):
        batch = exchange(AT + n, call_id=f"call_{n}")
        await store.write([*batch[:-1], found(batch[0], Thought("x" * 1_000_000, {})), batch[-1]])
    tracemalloc.start()
    verdict = await verify(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert verdict == Verdict(interceptions=60, links=60)
    assert peak < 25_000_000


async def test_a_changed_interval_holds_from_the_next_look_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "LOOK_SECONDS", 0.01)
    written = tmp_path / "log.json"
    log = open_logs(human="", json=str(written))
    rare, often = (sealing.SealLog(store, log, seconds=seconds) for seconds in (3600, 0.01))
    running = [asyncio.create_task(seal_log.run()) for seal_log in (rare, often)]
    await five(store)
    for times in (1, 2):  # each of them has looked as often as the other
        await asyncio.to_thread(until, lambda: fifth(written.read_text()) >= times)  # noqa: B023
        assert fifth(written.read_text()) == times
        rare.seconds = 0.01
    for task in running:
        task.cancel()
    log.close()


def fifth(lines: str) -> int:
    return lines.replace(" ", "").count('"seal_number":5')


async def test_the_last_seal_is_logged_once_and_where_that_is_off_none_is(store: Store, tmp_path: Path) -> None:
    log = open_logs(human="", json=str(tmp_path / "log.json"))
    on, off = sealing.SealLog(store, log, seconds=3600), sealing.SealLog(store, log)
    on.write()  # there is none yet
    await five(store)
    for _ in range(2):
        on.write()
        off.write()
    (line,) = lines_of(log, tmp_path / "log.json")
    assert line["msg"] == "interception seal"
    seal = store.head.seal.hex()
    assert line["fields"] == {"instance_id": store.instance_id, "seal_number": 5, "seal": seal}


@pytest.mark.parametrize("error_type", [None, "interrupted"])
async def test_a_true_end_after_an_inferred_one(store: Store, place: Place, error_type: str | None) -> None:
    """The process was taken for dead, and lives; or it is dead, and had its records in a spool file."""
    *batch, end = exchange()
    await store.write(batch[:2])
    other = await opened(place)
    inferred = Ended(status=None, error_type="interrupted", inferred=True)
    await other.write([Record(new_id(), end.interception_id, AT, inferred)])
    assert await verify(store) == Verdict(interceptions=1, links=1)
    true = Record(end.id, end.interception_id, end.at, Ended(status=200, error_type=error_type))
    (prompt,) = await other.instances.prompts([end.interception_id])  # before the true end: its line says so
    assert (prompt.id, prompt.at, prompt.finding) == (batch[1].id, AT, AnsweredPrompt(batch[1].finding, ""))
    for _ in range(2):
        await store.write([*batch[2:], true])
        await other.write([prompt, Record(new_id(), end.interception_id, AT, inferred)])
        assert await verify(store) == Verdict(interceptions=1, links=2)
    assert query(place, "SELECT provider_response_id FROM aibridge_user_prompts") == [("resp_1",)]
    assert query(place, "SELECT status, error_type FROM aibridge_interceptions") == [(200, error_type)]
    assert (other.head.number, store.head.number) == (1, 1)
    await other.close()


async def test_an_end_whose_interception_retention_has_deleted(store: Store) -> None:
    batch = exchange()
    await store.write(batch[:2])
    await store.purge.batch(AT + HOUR)
    await store.write([batch[-1]])
    assert store.head == ChainHead()
    assert await verify(store) == Verdict()


async def test_records_that_the_database_refuses_are_sealed_as_their_errors(store: Store) -> None:
    batch = exchange()
    bad = found(batch[0], Tokens(message_id="m", input=2**70))
    await store.write_each([*batch[:2], bad, *batch[3:]])
    assert store.unstorable == 1
    assert await verify(store) == Verdict(interceptions=1, links=1)


async def test_what_comes_a_second_time_changes_nothing_that_is_sealed(store: Store, place: Place) -> None:
    """The first commit was not confirmed; meanwhile another process has stored a call of the same name."""
    called = exchange(call_id="call_1")
    elsewhere = exchange(call_id="call_1")
    answering = exchange(call_id="call_2", correlating_tool_call_id="call_1")
    refused = exchange(call_id="call_3")
    batch = [*called, *answering, *refused[:2], found(refused[0], Tokens(message_id="m", input=2**70)), *refused[3:]]
    await store.write_each(batch)
    other = await opened(place)
    await other.write(elsewhere)
    await store.write_each(batch)
    assert await verify(store) == Verdict(interceptions=4, links=4)
    await other.close()
