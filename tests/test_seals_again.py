"""What is sealed from memory is what the database holds, also where a batch, or a part of it, comes again."""

import tracemalloc
from typing import Any

import pytest

from coderai.records import Prompt, Thought, Tokens, ToolCall
from coderai.store import Store
from coderai.store.audit import Verdict
from tests.databases import Place, opened
from tests.sealed import verify
from tests.trail import ended, exchange, found, started


async def test_a_whole_exchange(store: Store) -> None:
    batch = exchange()
    await store.write(batch)
    await store.write([*batch, *exchange(call_id="call_2")])
    assert await verify(store) == Verdict(interceptions=2, links=2)


async def test_an_end_in_its_own_batch(store: Store) -> None:
    batch = exchange()
    await store.write([*batch, batch[-1]])
    assert await verify(store) == Verdict(interceptions=1, links=1)


async def test_a_start_whose_thread_would_be_another_by_now(store: Store, place: Place) -> None:
    """Its commit was not confirmed; meanwhile another process has stored a call of the same name."""
    await store.write(exchange(call_id="call_1"))
    elsewhere = exchange(call_id="call_1")
    answering = exchange(call_id="call_2", correlating_tool_call_id="call_1")
    await store.write(answering[:2])
    other = await opened(place)
    await other.write(elsewhere)
    await store.write(answering[:2], late=True)
    await store.write(answering[2:])
    assert await verify(store) == Verdict(interceptions=3, links=3)
    await other.close()


async def test_a_tool_s_result_in_the_batch_of_its_call(store: Store) -> None:
    called = exchange(call_id="call_1")
    await store.write([*called, *exchange(call_id="call_2", correlating_tool_call_id="call_1")])
    begun = exchange(call_id="call_4", correlating_tool_call_id="call_3")
    await store.write([*exchange(call_id="call_3"), *begun[:2]])
    await store.write(begun[2:])
    assert await verify(store) == Verdict(interceptions=4, links=4)


async def test_what_has_ended_is_kept_no_longer(store: Store) -> None:
    async def write(long: str) -> None:
        start = started()
        await store.write([start, found(start, Prompt(long))])
        await store.write([ended(start)])

    await write("x")
    tracemalloc.start()
    for n in range(20):
        await write(f"{n}" * 1_000_000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 5_000_000


@pytest.mark.parametrize(
    "finding",
    [
        Prompt("fix the bug"),
        Thought("I should look", {}),
        Tokens(message_id="resp_1", input=5, output=7),
        ToolCall(message_id="resp_1", call_id="call_1", tool="shell", input="ls"),
    ],
)
async def test_in_whatever_order_rows_come_they_are_sealed_in_that_of_their_ids(store: Store, finding: Any) -> None:
    start = started()
    first, second = found(start, finding), found(start, finding)
    await store.write([start, second, first])
    await store.write([ended(start)])
    assert await verify(store) == Verdict(interceptions=1, links=1)
