"""When the grace period is over where the process itself stood still, and where it is longer than that may be."""

import asyncio
import time

import pytest

from coderai.grace import STOOD_STILL_SECONDS
from coderai.recorder import NotStored, Recorder
from coderai.store import Store
from tests.databases import Place, read_only
from tests.recorder.watched import Log, failing, ids
from tests.trail import exchange, started


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


async def test_but_once(store: Store, place: Place, log: Log) -> None:
    recorder = Recorder(store, log.logger, grace=0.1)
    read_only(place, store, True)
    waiting = recorder.put([started()])
    await failing(recorder, store)
    time.sleep(1.5)  # noqa: ASYNC251 - what SIGSTOP does to the loop
    with pytest.raises(NotStored):
        await asyncio.wait_for(waiting, 10)
    assert recorder.refusal() is not None
    read_only(place, store, False)
    assert await recorder.close() == []


async def test_a_grace_that_is_longer_than_a_process_stands_still_is_over_as_well(
    store: Store, place: Place, log: Log
) -> None:
    """As the one by default is."""
    recorder = Recorder(store, log.logger, grace=STOOD_STILL_SECONDS + 0.2)
    read_only(place, store, True)
    with pytest.raises(NotStored):
        await asyncio.wait_for(recorder.put([started()]), 10)
    assert recorder.refusal() is not None
    read_only(place, store, False)
    assert await recorder.close() == []
