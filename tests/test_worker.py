"""Work in a thread, and how its result comes back to the loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from coderai.store.worker import Worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker("test")
    yield worker
    assert worker.stop(10)


async def test_results_and_errors_come_back(worker: Worker) -> None:
    assert await worker.do(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)
    done = worker.do(lambda: 8)
    assert await asyncio.gather(done, worker.do(lambda: 9)) == [8, 9]
    assert await done == 8  # again, when it is there


async def test_who_awaits_it_goes_on_in_the_turn_in_which_it_comes(worker: Worker) -> None:
    order: list[str] = []

    async def wait() -> None:
        await worker.do(lambda: None)
        order.append("awaited")

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    told = threading.Event()
    behind = worker.do(told.set)  # the result of what came before is on its way to the loop, which stands still
    assert told.wait(10)
    asyncio.get_running_loop().call_soon(order.append, "what else was ready")
    await asyncio.gather(task, behind)
    assert order == ["awaited", "what else was ready"]


async def test_several_may_wait_for_it(worker: Worker) -> None:
    go = threading.Event()
    done = worker.do(lambda: go.wait(10))
    others = [asyncio.ensure_future(asyncio.shield(done)) for _ in range(3)]
    await asyncio.sleep(0)
    others[0].cancel()
    go.set()
    assert await asyncio.gather(*others[1:], done) == [True] * 3


async def test_cancelled_the_work_is_done_all_the_same(worker: Worker) -> None:
    go, done = threading.Event(), threading.Event()
    work = worker.do(lambda: (go.wait(10), done.set(), 1 // 0))

    async def wait() -> None:
        await work

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    await worker.do(lambda: None)
    assert done.is_set() and work.cancelled()


async def test_a_time_limit_ends_the_wait(worker: Worker) -> None:
    go = threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(worker.do(lambda: go.wait(10)), 0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await worker.do(lambda: None)  # behind the one that still works
    go.set()
