"""What SQLite takes and nobody wrote (bytes that are no text, other types) is found, and hides and hinders nothing."""

from pathlib import Path

import msgspec
import pytest

from coderai.records import ToolCall
from coderai.store import Store
from coderai.store.audit import FIRST_CHUNK, Verdict
from coderai.store.selection import Filter
from tests.databases import Place, change, opened, query
from tests.sealed import five, verify
from tests.trail import AT, ended, exchange, found, listed, started

# One byte that was changed, and now makes no text.
NO_TEXT = [
    "UPDATE aibridge_interceptions SET model = CAST(x'66ff' AS TEXT) WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET metadata = CAST(x'7bff' AS TEXT) WHERE id = '{}'",
    "UPDATE aibridge_interceptions SET started_at = CAST(x'32ff' AS TEXT) WHERE id = '{}'",
    "UPDATE aibridge_token_usages SET metadata = CAST(x'66ff' AS TEXT) WHERE interception_id = '{}'",
    "UPDATE aibridge_tool_usages SET input = CAST(x'66ff' AS TEXT) WHERE interception_id = '{}'",
    "UPDATE aibridge_user_prompts SET prompt = CAST(x'66ff' AS TEXT) WHERE interception_id = '{}'",
    "UPDATE aibridge_model_thoughts SET created_at = CAST(x'66ff' AS TEXT) WHERE interception_id = '{}'",
]


@pytest.mark.parametrize("statement", NO_TEXT)
async def test_one_changed_byte_is_named_and_spoils_no_page(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    ids = await five(store)
    change(path, statement.format(ids[2]))
    assert ids[2] in (await verify(store)).breaks[0].what
    page = await listed(store, Filter(), limit=10)
    assert sorted(one["id"] for one in msgspec.json.decode(msgspec.json.encode(page))) == ids
    await store.close()


async def test_a_time_with_a_changed_byte_hides_nothing_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    batches = [exchange(AT + n, call_id=f"call_{n}") for n in range(2 * FIRST_CHUNK)]
    ids = [batch[0].id for batch in batches]
    for batch in batches:
        await store.write(batch)
    last = ids[FIRST_CHUNK - 1]  # of the first chunk that is verified
    time = "CAST(replace(started_at, 'Z', '') AS BLOB) || x'80'"
    change(path, f"UPDATE aibridge_interceptions SET started_at = CAST({time} AS TEXT) WHERE id = '{last}'")
    change(path, f"UPDATE aibridge_interceptions SET model = 'gpt-6' WHERE id = '{ids[-2]}'")
    first, second = (await verify(store)).breaks
    assert ids[-2] in first.what and last in second.what
    seen: list[str] = []
    place = None
    while page := await listed(store, Filter(), limit=1, after=place):
        seen.append(page[0].id)
        place = await store.trail.place(page[0].id, None)
        assert len(seen) <= len(ids)
    assert seen == ids[::-1]
    await store.close()


async def test_a_changed_byte_of_one_under_way_keeps_nobody_from_ending_it(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    died = await opened(path)
    begun, other = exchange(), exchange()
    await died.write(begun[:2])
    await died.close()
    change(path, "UPDATE aibridge_user_prompts SET prompt = CAST(x'66ff' AS TEXT)")
    store = await opened(path)
    await store.write([ended(begun[0], error_type="interrupted", inferred=True), *other])
    assert query(path, "SELECT count(*) FROM aibridge_interceptions WHERE seal IS NOT NULL") == [(2,)]
    await store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE aibridge_interceptions SET id = CAST(x'66ff' AS TEXT) WHERE id = '{}'",
        "UPDATE aibridge_instances SET id = CAST(x'66ff' AS TEXT)",
        "UPDATE aibridge_instances SET anchor_number = 'z'",
        "UPDATE aibridge_instances SET anchor = 'text'",
        "UPDATE aibridge_instances SET seal_number = 5.5",
        "UPDATE aibridge_instances SET seal = 5",
        "UPDATE aibridge_interceptions SET seal_number = 'z' WHERE id = '{}'",
        "UPDATE aibridge_interceptions SET started_at = x'00ff' WHERE id = '{}'",
        "UPDATE aibridge_interceptions SET credential_hint = x'' WHERE id = '{}'",
        "UPDATE aibridge_tool_usages SET injected = 2 WHERE interception_id = '{}'",
        "UPDATE aibridge_tool_usages SET injected = 'no' WHERE interception_id = '{}'",
        "INSERT INTO aibridge_retention (name, started_at, interception_id) VALUES ('contents', x'39', x'39')",
    ],
)
async def test_and_a_value_of_another_type_which_sqlite_takes(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    ids = await five(store)
    change(path, statement.format(ids[2]))
    assert (await verify(store)).breaks
    await store.close()


async def test_nor_does_another_number_pass_for_true(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    store = await opened(path)
    start = started()
    call = ToolCall(message_id="resp_1", call_id="call_1", tool="shell", input="ls", injected=True)
    await store.write([start, found(start, call), ended(start)])
    assert await verify(store) == Verdict(interceptions=1, links=1)
    change(path, "UPDATE aibridge_tool_usages SET injected = 2")
    assert start.id in (await verify(store)).breaks[0].what
    await store.close()


async def changed_chain(store: Store, place: Place, changed: str) -> None:
    await five(store)
    change(place, f"UPDATE aibridge_instances SET {changed}")
    await store.write(exchange(call_id="a"), late=True)  # asks the database where the chain ends
    await store.write(exchange(call_id="b"))
    assert await verify(store) == Verdict(interceptions=7, links=7)


async def test_a_chain_s_end_that_somebody_changed_takes_no_record_from_the_trail(store: Store, place: Place) -> None:
    await changed_chain(store, place, f"seal_number = {2**63 - 1}")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("changed", ["seal = 'text'", "seal = 5", "seal_number = 'z'"])
async def test_nor_does_one_of_another_type(store: Store, place: Place, changed: str) -> None:
    await changed_chain(store, place, changed)
