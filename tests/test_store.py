"""The store on each database: writing batches, and what is in the tables afterwards."""

import pytest

from coderai.records import NOT_STORED, Ended, Prompt, ProviderObject, Record, Thread, Tokens, ToolCall
from coderai.store import BadData, Store, StoreUnavailable, times
from coderai.store.people import CHUNK
from tests.databases import RECORDS, Place, counts, opened, read_only, rows
from tests.trail import AT, ended, exchange, found, started


async def test_an_interception_s_row(store: Store, place: Place) -> None:
    batch = exchange(client_session_id="session", credential_hint="sk-a...efgh")
    start = batch[0]
    assert await store.write(batch) == {}
    interceptions = rows(place, "aibridge_interceptions")
    digests = [interceptions[0].pop(name) for name in ("counts_digest", "content_digest")]
    assert [len(digest) for digest in digests] == [32, 32]
    assert interceptions == [
        {
            "id": start.id,
            "initiator_id": "user-1",
            "api_key_id": "abcdefghij",
            "provider": "openai",
            "provider_name": "openai",
            "model": "gpt-5",
            "client": "Codex",
            "client_session_id": "session",
            "credential_kind": "centralized",
            "credential_hint": "sk-a...efgh",
            "metadata": '{"request_user_agent":"codex_cli_rs/0.1"}',
            "started_at": "2026-02-02T02:40:00.123456Z",
            "ended_at": "2026-02-02T02:40:01.123456Z",
            "status": 200,
            "error_type": None,
            "error_message": None,
            "thread_parent_id": None,
            "thread_root_id": None,
            "session_id": "session",
            "instance_id": store.instance_id,
            "seal_number": 1,
            "seal": store.head.seal,
        }
    ]


async def test_what_was_found_has_its_rows(store: Store, place: Place) -> None:
    batch = exchange()
    start = batch[0]
    await store.write(batch)
    (prompt,) = rows(place, "aibridge_user_prompts")
    assert (prompt["prompt"], prompt["provider_response_id"]) == ("fix the bug", "resp_1")
    assert prompt["metadata"] == '{"images":1}'
    (tokens,) = rows(place, "aibridge_token_usages")
    counts = [tokens[f"{kind}_tokens"] for kind in ("input", "output", "cache_read_input", "cache_write_input")]
    assert counts == [5, 7, 3, 0]
    (tool,) = rows(place, "aibridge_tool_usages")
    called = (tool["provider_tool_call_id"], tool["tool"], tool["input"])
    assert called == ("call_1", "shell", '{"command": "ls"}')
    assert (tool["injected"], tool["server_url"], tool["invocation_error"]) == (0, None, None)
    (thought,) = rows(place, "aibridge_model_thoughts")
    assert (thought["content"], thought["interception_id"]) == ("I should look", start.id)
    assert await store.owner(["openai"], f"resp_{start.id}") == "user-1"


async def test_writing_the_same_batch_again_changes_nothing(store: Store, place: Place) -> None:
    batch = exchange()
    await store.write(batch)
    before = {table: rows(place, table) for table in RECORDS}
    await store.write(batch)
    assert {table: rows(place, table) for table in RECORDS} == before


async def test_more_rows_than_one_statement_takes_values_for(store: Store, place: Place) -> None:
    """PostgreSQL counts them in 16 bits."""
    start, *batch = exchange()
    calls = [
        found(start, ToolCall(message_id="resp_1", call_id=f"call_{n}", tool="shell", input="{}"))
        for n in range(12_000)
    ]
    await store.write([start, *calls, *batch])
    assert counts(place, ["aibridge_tool_usages"]) == {"aibridge_tool_usages": 12_001}
    assert (await store.verify("", "9999", {})).breaks == []


async def test_as_many_tokens_as_are_asked_for_are_found(store: Store) -> None:
    """Of a server's memory all are asked for at once: whose is not found is refused."""
    user = await store.people.create_user("alice", "", "member")
    ids = [f"{n:010}" for n in range(CHUNK + 1)]
    for id in ids:
        await store.people.create_token(id, user.id, "laptop", "0" * 64, None)
    assert set(await store.people.tokens_by_id(ids)) == set(ids)


async def test_first_owner_keeps_an_object(store: Store) -> None:
    for user in ("alice", "bob"):
        await store.write([found(started(), ProviderObject("conv_1", "openai", user))])
    assert await store.owner(["openai"], "conv_1") == "alice"
    assert await store.owner(["other", "third"], "conv_1") is None


async def test_an_end_is_kept_but_for_an_inferred_one(store: Store, place: Place) -> None:
    start = started()
    inferred = Ended(status=None, error_type="interrupted", error_message="killed", inferred=True)
    await store.write([start, found(start, inferred)])
    await store.write([ended(start, status=200)])
    await store.write([ended(start, status=500, error_type="late")])
    (row,) = rows(place, "aibridge_interceptions")
    assert (row["status"], row["error_type"], row["error_message"]) == (200, None, None)


@pytest.mark.parametrize(("said", "kept"), [(None, NOT_STORED), ("unstorable_record", "unstorable_record")])
async def test_an_end_that_was_withheld_says_so(store: Store, place: Place, said: str | None, kept: str) -> None:
    start = started()
    await store.write([start, ended(start, error_type=said)])
    await store.write([found(start, Ended(status=503, error_type=NOT_STORED))])  # not the same end: another's time
    assert [row["error_type"] for row in rows(place, "aibridge_interceptions")] == [said]
    await store.write([ended(start, error_type=NOT_STORED)])
    assert [row["error_type"] for row in rows(place, "aibridge_interceptions")] == [kept]


class Counted(str):
    """An id that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


class TestThreads:
    async def test_a_tool_result_hangs_below_the_call_and_its_root(self, store: Store, place: Place) -> None:
        first = exchange(call_id="call_a")
        await store.write(first)
        second = exchange(call_id="call_b", correlating_tool_call_id="call_a")
        assert await store.write(second) == {second[0].id: Thread(first[0].id, first[0].id)}
        third = exchange(call_id="call_c", correlating_tool_call_id="call_b")
        assert await store.write(third) == {third[0].id: Thread(second[0].id, first[0].id)}
        row = {row["id"]: row for row in rows(place, "aibridge_interceptions")}[third[0].id]
        assert (row["thread_parent_id"], row["thread_root_id"]) == (second[0].id, first[0].id)
        assert row["session_id"] == first[0].id

    async def test_within_one_batch(self, store: Store, place: Place) -> None:
        first = exchange(call_id="call_a")
        second = exchange(call_id="call_b", correlating_tool_call_id="call_a")
        third = exchange(call_id="call_c", correlating_tool_call_id="call_b")
        threads = await store.write([*first, *second, *third])
        assert threads == {
            second[0].id: Thread(first[0].id, first[0].id),
            third[0].id: Thread(second[0].id, first[0].id),
        }
        row = {row["id"]: row for row in rows(place, "aibridge_interceptions")}[third[0].id]
        assert (row["thread_parent_id"], row["session_id"]) == (second[0].id, first[0].id)

    async def test_a_batch_of_many_compares_none_with_each_other(self, store: Store) -> None:
        first = exchange(call_id="call_a")
        answers = [started(correlating_tool_call_id="call_a") for _ in range(150)]
        others = [started(correlating_tool_call_id="call_b") for _ in range(150)]
        batch = [*first, *(Record(Counted(r.id), Counted(r.id), r.at, r.finding) for r in [*answers, *others])]
        Counted.compared = 0
        assert len(await store.write(batch)) == len(answers)
        assert Counted.compared <= len(batch)

    async def test_newest_call_of_the_same_user_counts(self, store: Store) -> None:
        old, new = exchange(call_id="call_1"), exchange(AT + 1, call_id="call_1")
        others = exchange(AT + 2, call_id="call_1", initiator_id="user-2")
        await store.write([*new, *old, *others])
        answer = started(AT + 3, correlating_tool_call_id="call_1")
        assert await store.write([answer]) == {answer.id: Thread(new[0].id, new[0].id)}

    async def test_a_call_whose_name_comes_again_and_again(self, store: Store) -> None:
        """Some models number their calls anew in every answer; the newest are looked at, whoever's they are."""
        mine = exchange(call_id="call_0")
        await store.write(mine)
        answer = started(correlating_tool_call_id="call_0")
        await store.write([record for _ in range(199) for record in exchange(call_id="call_0", initiator_id="user-2")])
        assert await store.write([answer]) == {answer.id: Thread(mine[0].id, mine[0].id)}
        await store.write(exchange(call_id="call_0", initiator_id="user-2"))
        late = started(correlating_tool_call_id="call_0")
        assert await store.write([late]) == {}

    async def test_of_two_conversations_with_calls_of_one_name_each_goes_on_with_its_own(self, store: Store) -> None:
        here, there = (
            exchange(call_id="call_0", client_session_id="a"),
            exchange(call_id="call_0", client_session_id="b"),
        )
        await store.write([*here, *there])
        more = [
            exchange(call_id="call_0", client_session_id=name, correlating_tool_call_id="call_0") for name in ("a", "b")
        ]
        threads = await store.write([record for some in more for record in some])
        assert threads == {
            more[0][0].id: Thread(here[0].id, here[0].id),
            more[1][0].id: Thread(there[0].id, there[0].id),
        }
        elsewhere = started(client_session_id="c", correlating_tool_call_id="call_0")
        assert await store.write([elsewhere]) == {elsewhere.id: Thread(more[1][0].id, there[0].id)}

    async def test_none_hangs_below_what_began_later(self, store: Store) -> None:
        early, late = (exchange(call_id="call_0", correlating_tool_call_id="call_0") for _ in range(2))
        assert await store.write([*early, *late]) == {late[0].id: Thread(early[0].id, early[0].id)}

    async def test_an_unknown_call_starts_a_thread(self, store: Store) -> None:
        assert await store.write([started(correlating_tool_call_id="call_unknown")]) == {}


class TestValuesThatTheDatabaseRefuses:
    async def test_only_the_bad_record_is_replaced(self, store: Store, place: Place) -> None:
        good, bad = exchange(), exchange()
        bad[2] = found(bad[0], Tokens(message_id="resp_1", input=2**70))
        with pytest.raises(BadData):
            await store.write([*bad, *good])
        assert counts(place, RECORDS) == dict.fromkeys(RECORDS, 0)
        await store.write_each([*bad, *good])
        assert counts(place, RECORDS) == {**dict.fromkeys(RECORDS, 2), "aibridge_token_usages": 1}
        errors = {row["id"]: row["error_type"] for row in rows(place, "aibridge_interceptions")}
        assert errors == {bad[0].id: "unstorable_record", good[0].id: None}
        assert store.unstorable == 1

    async def test_an_end_that_another_has_inferred_tells_of_it_too(self, store: Store, place: Place) -> None:
        batch = exchange()
        await store.write(batch[:2])
        other = await opened(place)
        await other.write([found(batch[0], Ended(status=None, error_type="interrupted", inferred=True))])
        bad = found(batch[0], Tokens(message_id="resp_1", input=2**70))
        for _ in range(2):
            await store.write_each([batch[2], bad, *batch[4:]])
            (row,) = rows(place, "aibridge_interceptions")
            assert (row["status"], row["error_type"]) == (200, "unstorable_record")
            assert "a Tokens record could not be stored" in str(row["error_message"])
            assert (await store.verify("", "9999", {})).breaks == []
        await other.close()

    async def test_a_bad_start_still_has_its_interception(self, store: Store, place: Place) -> None:
        start = started(model="gpt-\udc80")
        await store.write_each([start, found(start, Prompt("hi")), ended(start)])
        (row,) = rows(place, "aibridge_interceptions")
        assert (row["model"], row["error_type"], row["status"]) == ("gpt-\\udc80", "unstorable_record", 200)
        assert "could not be stored" in str(row["error_message"])
        assert len(rows(place, "aibridge_user_prompts")) == 1

    async def test_threads_of_the_others_are_told(self, store: Store) -> None:
        first = exchange(call_id="call_a")
        await store.write(first)
        answering, odd = started(correlating_tool_call_id="call_a"), found(started(), Prompt("of none"))
        written = await store.write_each([answering, odd])
        assert written.threads == {answering.id: Thread(first[0].id, first[0].id)}

    async def test_a_finding_without_its_interception_stops_nobody(self, store: Store, place: Place) -> None:
        gone = started()
        await store.write_each([found(gone, Prompt("late")), *exchange()])
        assert counts(place, RECORDS) == dict.fromkeys(RECORDS, 1)


async def test_a_store_that_cannot_write_says_so_and_recovers(store: Store, place: Place) -> None:
    read_only(place, store, True)
    with pytest.raises(StoreUnavailable, match="database"):
        await store.write(exchange())
    await store.ping()
    read_only(place, store, False)
    await store.write(exchange())
    assert counts(place, RECORDS) == dict.fromkeys(RECORDS, 1)


async def test_a_closed_store_says_so(place: Place) -> None:
    store = await opened(place)
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write([started()])
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-30641760000000000, "0999-01-01T00:00:00.000000Z"),
        (AT, "2026-02-02T02:40:00.123456Z"),
        (1_770_000_000_000_001, "2026-02-02T02:40:00.000001Z"),
    ],
)
def test_times_are_text_that_sorts(microseconds: int, text: str) -> None:
    assert times.text(microseconds) == text
    assert times.microseconds(text) == microseconds
