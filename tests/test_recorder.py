"""Group commit on a real store: who waits, for how long, and what happens when the store fails."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.records import Prompt, Record, Thread
from coderai.store import Store, StoreUnavailable
from tests.databases import Place, query, read_only
from tests.logs.opened import open_logs
from tests.trail import exchange, found, started


class Lines:
    """A record log that keeps what it is given."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.batches: list[list[Record]] = []
        self.threads: dict[str, Thread] = {}
        self.stored: list[bool] = []  # at the time of logging

    async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
        self.batches.append(list(batch))
        self.threads |= threads
        stored = ids(self.place)
        self.stored += [record.interception_id in stored for record in batch]


def ids(place: Place) -> set[str]:
    return {row[0] for row in query(place, "SELECT id FROM aibridge_interceptions")}


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.logger: Logger = open_logs(human="", json=str(path))

    def messages(self) -> list[str]:
        self.logger.close()
        return [json.loads(line)["msg"] for line in self.path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.json")


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


async def test_values_that_the_database_refuses_are_made_storable(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    start = started()
    await recorder.put([start, found(start, Prompt("a\x00b"))])
    assert lines.batches[0][1].finding == Prompt("a\\x00b")
    assert store.unstorable == 0
    await recorder.close()


async def test_what_the_database_refuses_is_not_logged(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines)
    batch = exchange()
    orphan = found(started(), Prompt("of an interception that is not there"))
    await recorder.put([*batch, orphan])
    assert (store.unstorable, recorder.backlog, lines.batches) == (1, 0, [batch])
    await recorder.close()


class TestAFailingStore:
    async def test_nothing_is_lost_and_all_are_released_when_it_works_again(
        self, store: Store, place: Place, log: Log
    ) -> None:
        recorder = Recorder(store, log.logger)
        read_only(place, store, True)
        batches = [exchange() for _ in range(10)]
        waiting = [recorder.put(batch) for batch in batches]
        await self.failing(recorder, store)
        assert recorder.backlog == 80
        assert not any(future.done() for future in waiting)
        read_only(place, store, False)
        await asyncio.gather(*waiting)
        assert ids(place) == {batch[0].id for batch in batches}
        assert (recorder.backlog, recorder.grace.failing_since, recorder.refusal()) == (0, None, None)
        await recorder.close()
        assert log.messages() == ["records cannot be stored, they wait in memory", "records are stored again"]

    async def test_new_requests_are_refused_after_the_grace(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger, grace=0.0)
        assert recorder.refusal() is None
        read_only(place, store, True)
        first, second = started(), started()
        with pytest.raises(NotStored):  # told once the grace is over: its answer is not to end at the client
            await recorder.put([first])
        assert "cannot be stored at the moment" in str(recorder.refusal())
        with pytest.raises(NotStored):
            await recorder.put([second])
        read_only(place, store, False)
        assert await recorder.close() == []
        assert ids(place) == {first.id, second.id}
        assert log.messages() == [
            "records cannot be stored, they wait in memory",
            "new requests are refused until records can be stored",
            "records are stored again",
        ]

    async def test_within_the_grace_requests_are_taken(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger, grace=60.0)
        read_only(place, store, True)
        waiting = recorder.put([started()])
        await self.failing(recorder, store)
        assert recorder.refusal() is None
        read_only(place, store, False)
        await waiting
        await recorder.close()

    async def test_or_when_too_much_waits(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger, backlog_limit=3)
        waiting = recorder.put([started(), started(), started()])
        assert recorder.refusal() is None
        also = recorder.put([started()])
        assert "too many audit records" in str(recorder.refusal())
        await asyncio.gather(waiting, also)
        assert recorder.refusal() is None
        await recorder.close()

    async def test_closing_does_not_wait_for_ever(self, store: Store, place: Place, log: Log) -> None:
        recorder = Recorder(store, log.logger)
        read_only(place, store, True)
        waiting = [recorder.put([started()]), recorder.put([started()])]
        await self.failing(recorder, store)
        assert len(await recorder.close(drain=0.01)) == 2
        for future in waiting:
            with pytest.raises(NotStored):
                await future
        assert log.messages()[-1] == "records could not be stored before the end"

    async def failing(self, recorder: Recorder, store: Store) -> None:
        """Returns once the recorder's own try has failed: this one follows it in the only writing thread."""
        await asyncio.sleep(0)  # one turn of the loop, in which the recorder begins
        with pytest.raises(StoreUnavailable):
            await store.write([started()])
        assert recorder.grace.failing_since is not None


async def test_a_process_that_stood_still_gives_the_store_its_time_anew(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, grace=0.1)
    records = exchange()
    done = recorder.put(records)
    await asyncio.sleep(0)
    time.sleep(1.5)  # noqa: ASYNC251 - what SIGSTOP does to the loop
    await done
    assert ids(place) == {records[0].id}
    assert recorder.refusal() is None
    await recorder.close()


async def test_closing_stores_what_waits(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger)
    start = started()
    waiting = recorder.put([start])
    assert await recorder.close() == []
    await waiting
    assert ids(place) == {start.id}
    with pytest.raises(NotStored):
        await recorder.put([started()])


async def test_a_record_log_that_fails_holds_up_nobody(store: Store, place: Place, log: Log) -> None:
    class Broken(Lines):
        async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
            raise OSError("no space left on device")

    recorder = Recorder(store, log.logger, Broken(place))
    await recorder.put([started()])
    await recorder.put([started()])
    recorder.record_log = None
    await recorder.put([started()])
    await recorder.close()
    assert len(ids(place)) == 3
    assert log.messages() == ["records cannot be logged"]
