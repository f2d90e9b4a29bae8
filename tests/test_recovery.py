"""What is told of heartbeats that cannot be written, and of processes that are found dead."""

import asyncio
from pathlib import Path

import pytest

from coderai.recorder import Recorder
from coderai.recovery import DEAD_AFTER_LOOKS, Recovery
from coderai.store import Store
from tests.databases import Place, opened, query, read_only
from tests.recorder.watched import Log
from tests.trail import exchange
from tests.waiting import until


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_each_time_that_it_cannot_be_written_is_told_once(
    tmp_path: Path, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And readiness can see for how long: nobody may have asked for anything meanwhile."""
    monkeypatch.setattr("coderai.recovery.BEAT_SECONDS", 0.01)
    log = Log(tmp_path / "log.json")
    recorder = Recorder(store, log.logger)
    recovery = Recovery(store, recorder, log.logger)
    running = asyncio.create_task(recovery.run())
    for _ in range(2):
        await asyncio.to_thread(until, lambda: query(place, "SELECT 1 FROM aibridge_instances WHERE beat > 1"))
        read_only(place, store, True)
        await asyncio.to_thread(until, lambda: recovery.silent_s() > 0.5)
        read_only(place, store, False)
        await asyncio.to_thread(until, lambda: recovery.silent_s() == 0)
    running.cancel()
    await asyncio.wait([running])
    assert await recorder.close() == []
    assert log.messages() == ["the heartbeat cannot be written"] * 2


async def test_only_of_a_dead_process_that_left_something_open_is_told(
    tmp_path: Path, store: Store, place: Place
) -> None:
    idle, busy = await opened(place), await opened(place)
    await idle.instances.join()
    await busy.write([*exchange(call_id="ended"), *exchange()[:2]])
    for dead in (idle, busy):
        await dead.close()
    log = Log(tmp_path / "log.json")
    recorder = Recorder(store, log.logger)
    recovery = Recovery(store, recorder, log.logger)
    for _ in range(DEAD_AFTER_LOOKS + 2):
        await recovery.look()
    assert await recorder.close() == []
    await recovery.leave()
    assert query(place, "SELECT count(*) FROM aibridge_instances WHERE ended_at IS NULL") == [(0,)]
    (told,) = log.lines()
    assert told["msg"] == "ended the interceptions of a dead process"
    assert told["fields"] == {"count": 1, "instance_id": busy.instance_id}
