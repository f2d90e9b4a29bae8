"""When the store fails, or the record log, or the end comes: nothing is lost, and who waits is told."""

import asyncio
import gc
from collections.abc import Mapping, Sequence

import pytest

from coderai.grace import SHORTEST_GRACE_SECONDS
from coderai.recorder import NotStored, Recorder
from coderai.records import Ended, Record, Thread
from coderai.store import Store
from tests.databases import Place, locked, query, read_only
from tests.recorder.watched import Lines, Log, failing, ids
from tests.trail import exchange, started


async def test_nothing_is_lost_and_all_are_released_when_it_works_again(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger)
    read_only(place, store, True)
    batches = [exchange() for _ in range(10)]
    waiting = [recorder.put(batch) for batch in batches]
    await failing(recorder, store)
    assert recorder.backlog == 80
    assert not any(future.done() for future in waiting)
    read_only(place, store, False)
    await asyncio.gather(*waiting)
    assert ids(place) == {batch[0].id for batch in batches}
    assert (recorder.backlog, recorder.grace.failing_since, recorder.refusal()) == (0, None, None)
    await recorder.close()
    assert log.messages() == ["records cannot be stored, they wait in memory", "records are stored again"]


async def test_new_requests_are_refused_after_the_grace(store: Store, place: Place, log: Log) -> None:
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


async def test_an_end_that_was_withheld_for_longer_is_stored_as_such(store: Store, place: Place, log: Log) -> None:
    lines = Lines(place)
    recorder = Recorder(store, log.logger, lines, grace=0.0)
    read_only(place, store, True)
    released: list[str] = []
    for _ in range(2):  # one whose commit fails, and one that waits behind it
        with pytest.raises(NotStored):
            await recorder.put(exchange(), then=lambda: released.append("end"))
    read_only(place, store, False)
    assert await recorder.close() == []
    assert query(place, "SELECT error_type FROM aibridge_interceptions") == [("not_stored",)] * 2
    ends = [record.finding for batch in lines.batches for record in batch if isinstance(record.finding, Ended)]
    assert [end.error_type for end in ends] == ["not_stored"] * 2
    assert released == []


async def test_a_commit_that_takes_too_long_and_succeeds_is_told_with_its_time(
    store: Store, place: Place, log: Log
) -> None:
    """No try of it has failed: the database stood still."""
    recorder = Recorder(store, log.logger, grace=0.0)
    with locked(place), pytest.raises(NotStored):
        await recorder.put([started()])
    assert await recorder.close() == []
    refused, again = log.lines()
    assert (refused["msg"], again["msg"]) == (
        "new requests are refused until records can be stored",
        "records are stored again",
    )
    assert refused["fields"]["backlog"] == 1
    assert SHORTEST_GRACE_SECONDS <= again["fields"]["failing_seconds"] < 60  # of the commit, not of the process


async def test_all_that_wait_are_told_when_the_grace_is_over(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, grace=0.5)
    read_only(place, store, True)
    first = recorder.put([started()])
    await failing(recorder, store)
    behind = recorder.put([started()])
    for waiting in (first, behind):
        with pytest.raises(NotStored):
            await asyncio.wait_for(waiting, 10)
    read_only(place, store, False)
    assert await recorder.close() == []


async def test_it_counts_for_each_commit_anew(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, grace=0.3)
    await recorder.put([started()])
    await asyncio.sleep(0.5)
    assert recorder.refusal() is None
    await recorder.close()
    assert log.messages() == []


async def test_within_the_grace_requests_are_taken(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, grace=60.0)
    read_only(place, store, True)
    waiting = recorder.put([started()])
    await failing(recorder, store)
    assert recorder.refusal() is None
    read_only(place, store, False)
    await waiting
    await recorder.close()


async def test_or_when_too_much_waits(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, backlog_limit=3)
    waiting = recorder.put([started(), started(), started()])
    assert recorder.refusal() is None
    also = recorder.put([started()])
    assert "too many audit records" in str(recorder.refusal())
    await asyncio.gather(waiting, also)
    assert recorder.refusal() is None
    await recorder.close()


async def test_closing_does_not_wait_for_ever(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger)
    read_only(place, store, True)
    waiting = [recorder.put([started()]), recorder.put([started()])]
    await failing(recorder, store)
    waiting.append(recorder.put([started()]))  # behind those that are being tried
    assert len(await recorder.close(drain=0.01)) == 3
    for future in waiting:
        with pytest.raises(NotStored):
            await asyncio.wait_for(future, 10)
    assert log.messages()[-1] == "records could not be stored before the end"


async def test_nor_for_a_record_log_that_stands_still(store: Store, place: Place, log: Log) -> None:
    class Stuck(Lines):
        async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
            await asyncio.Event().wait()

    recorder = Recorder(store, log.logger, Stuck(place))
    start = started()
    waiting = recorder.put([start])
    assert await recorder.close(drain=0.1) == []
    with pytest.raises(NotStored):
        await asyncio.wait_for(waiting, 10)
    assert ids(place) == {start.id}


async def test_nobody_has_to_wait_to_be_told(store: Store, place: Place, log: Log) -> None:
    """Of a client that has gone no line tells that its records' fate "was never retrieved"."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["message"]))
    recorder = Recorder(store, log.logger)
    read_only(place, store, True)
    recorder.put([started()])
    await failing(recorder, store)
    assert len(await recorder.close(drain=0.01)) == 1
    recorder.put([started()])
    gc.collect()
    await asyncio.sleep(0)
    assert faults == []


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
