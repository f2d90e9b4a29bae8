"""Group commit on a real store: who is stored with whom, and who waits for how long."""

import asyncio

import pytest

from coderai.gathering import BATCH_LIMIT
from coderai.recorder import NotStored, Recorder
from coderai.records import Prompt, Thread
from coderai.store import Store
from tests.databases import Place, query, read_only
from tests.recorder.watched import Lines, Log, ids
from tests.trail import AT, exchange, found, started


async def test_done_means_stored_and_logged(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    first = exchange(call_id="call_1")
    await recorder.put(first)
    assert ids(place) == {first[0].id}
    second = started(correlating_tool_call_id="call_1")
    await recorder.put([second])
    assert lines.threads == {second.id: Thread(first[0].id, first[0].id)}
    assert [record for batch in lines.batches for record in batch] == [*first, second]
    assert all(lines.stored)
    assert await recorder.close() == []
    assert log.messages() == []


async def test_what_arrives_together_is_committed_together(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    await asyncio.gather(*(recorder.put([started()]) for _ in range(500)))
    assert len(lines.batches) == 1
    assert len(ids(place)) == 500
    await asyncio.gather(*(recorder.put([started(), started()]) for _ in range(1001)))
    assert [len(batch) for batch in lines.batches[1:]] == [1000, 1000, 2]
    await recorder.close()


async def test_more_than_fits_a_commit_is_not_parted(store: Store, place: Place, log: Log) -> None:
    """An answer of a thousand tool calls, say."""
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    await recorder.put([started() for _ in range(BATCH_LIMIT + 1)])
    assert [len(batch) for batch in lines.batches] == [BATCH_LIMIT + 1]
    await recorder.close()


async def test_what_nobody_hurries_is_stored_in_a_moment_each_time(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger)
    for _ in range(2):
        start = started()
        await asyncio.wait_for(recorder.put([start], hurry=False), 10)
        assert start.id in ids(place)
    await recorder.close()


@pytest.mark.parametrize(("before", "together"), [(1, False), (2, True)])
async def test_a_commit_waits_for_more_only_where_there_were_others(
    store: Store, place: Place, log: Log, monkeypatch: pytest.MonkeyPatch, before: int, together: bool
) -> None:
    monkeypatch.setattr("coderai.gathering.BUSY_SECONDS", 60)
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)

    def put() -> "asyncio.Future[None]":
        start, *end = exchange()
        recorder.put([start], hurry=False)
        return recorder.put(end)

    await asyncio.gather(*(put() for _ in range(before)))
    first = put()
    for _ in range(3):
        await asyncio.sleep(0)  # a turn of the loop: where nobody was there last time, the commit begins in the first
    await asyncio.gather(first, put())
    assert len(lines.batches) == (2 if together else 3)
    await recorder.close()


async def test_a_waiter_that_is_cancelled_harms_nobody(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger)
    cancelled, kept = started(), started()
    waiting = recorder.put([cancelled])
    other = recorder.put([kept])
    waiting.cancel()
    await other
    assert ids(place) == {cancelled.id, kept.id}
    assert await recorder.close() == []


@pytest.mark.parametrize(("patience", "batches"), [(0, [3, 1, 1]), (60, [3, 2])])
async def test_who_has_waited_long_waits_for_no_more(
    store: Store, place: Place, log: Log, monkeypatch: pytest.MonkeyPatch, patience: float, batches: list[int]
) -> None:
    monkeypatch.setattr("coderai.gathering.BUSY_SECONDS", 60)
    monkeypatch.setattr("coderai.gathering.PATIENCE_SECONDS", patience)
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    first = asyncio.gather(*(recorder.put([started()]) for _ in range(3)))
    await asyncio.sleep(0)  # it has begun: what comes now is the second
    second = recorder.put([started()])
    await first
    await asyncio.gather(second, recorder.put([started()]))
    assert [len(batch) for batch in lines.batches] == batches
    await recorder.close()


class TestThen:
    """What is called when records are stored, for those who would lose a turn of the loop by awaiting it."""

    async def test_is_called_once_they_are_stored(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger)
        seen: list[object] = []
        start = started()
        done = recorder.put([start], then=lambda: seen.append(ids(place)))
        done.add_done_callback(seen.append)
        await done
        assert seen == [{start.id}, done]
        await recorder.close()

    async def test_is_not_called_for_who_has_left(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger)
        seen: list[int] = []
        recorder.put([started()], then=lambda: seen.append(1)).cancel()
        await recorder.put([started()], then=lambda: seen.append(2))
        assert seen == [2]
        await recorder.close()

    async def test_is_not_called_where_the_grace_period_ended(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger, grace=0.1)
        read_only(place, store, True)
        seen: list[int] = []
        with pytest.raises(NotStored):
            await recorder.put([started()], then=lambda: seen.append(1))
        read_only(place, store, False)
        assert await recorder.close() == []
        assert seen == []

    async def test_its_fault_is_its_waiter_s_alone(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger)
        seen: list[int] = []
        first = recorder.put([started()], then=[].pop)
        await recorder.put([started()], then=lambda: seen.append(2))
        assert seen == [2]
        with pytest.raises(IndexError, match="pop from empty list"):
            await first
        await recorder.close()

    async def test_it_may_be_the_end_of_who_waits(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger)
        waiting: list[asyncio.Future[None]] = []
        waiting.append(recorder.put([started()], then=lambda: waiting[0].cancel()))
        await recorder.put([started()])
        assert waiting[0].cancelled()
        await recorder.close()


@pytest.mark.parametrize(("text", "kept"), [("a\x00b", "a\\x00b"), ("a\udc80b", "a\\udc80b")])
async def test_values_that_the_database_refuses_are_made_storable(
    store: Store, place: Place, log: Log, text: str, kept: str
) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    start = started()
    await recorder.put([start, found(start, Prompt(text))])
    assert query(place, "SELECT prompt FROM aibridge_user_prompts") == [(kept,)]
    assert lines.batches[0][1].finding == Prompt(kept)
    assert store.unstorable == 0
    await recorder.close()


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("long_ago", [False, True])
async def test_what_is_stored_late_brings_no_contents_back(
    store: Store, place: Place, log: Log, monkeypatch: pytest.MonkeyPatch, refused: bool, long_ago: bool
) -> None:
    await store.write(exchange())
    await store.purge.contents(AT + 1)
    recorder = Recorder(store, log.logger)
    if long_ago:
        monkeypatch.setattr("coderai.recorder.LATE_SECONDS", -1)
    # as many as the others, whose half is then stored whole
    odd = [found(started(), Prompt("of an interception that is not there")) for _ in range(8)] if refused else []
    await recorder.put([*exchange(AT - 1), *odd], late=not long_ago)
    assert query(place, "SELECT count(*) FROM aibridge_user_prompts") == [(0,)]
    await recorder.close()


async def test_what_the_database_refuses_is_not_logged(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    batch = exchange()
    orphan = found(started(), Prompt("of an interception that is not there"))
    await recorder.put([*batch, orphan])
    assert (store.unstorable, recorder.backlog, lines.batches) == (1, 0, [batch])
    await recorder.close()
    assert log.messages() == ["records hold values that the database refuses"]
