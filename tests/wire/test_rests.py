"""Streams that rest are woken a few at a time, in their order, and all of them."""

import asyncio

from coderai.wire.rests import LATE_SECONDS, NEEDED_SECONDS, WOKEN_AT_ONCE, Rests


class Clock:
    now = 1.0

    def __call__(self) -> float:
        return self.now


class Stream:
    def __init__(self, woken: list["Stream"]) -> None:
        self.resting = False
        self._woken = woken

    def rest(self) -> None:
        self.resting = True

    def wake(self) -> None:
        self.resting = False
        self._woken.append(self)


class Faulty(Stream):
    def wake(self) -> None:
        super().wake()
        raise ValueError


async def at_once(woken: list[Stream], count: int) -> list[int]:
    """How many were woken in each turn of the loop, until so many were."""
    turns = []
    async with asyncio.timeout(10):
        while len(woken) < count:
            before = len(woken)
            await asyncio.sleep(0)
            turns.append(len(woken) - before)
    return turns


async def test_streams_are_woken_in_their_order_a_few_at_a_time() -> None:
    woken: list[Stream] = []
    first, second = ([Stream(woken) for _ in range(2 * WOKEN_AT_ONCE)] for _ in range(2))
    rests = Rests(asyncio.get_running_loop(), Clock())
    rests.let(first)
    rests.let(second)
    assert all(stream.resting for stream in (*first, *second))
    assert max(await at_once(woken, 4 * WOKEN_AT_ONCE)) == WOKEN_AT_ONCE
    assert woken == [*first, *second]


async def test_those_that_are_late_are_woken_at_once() -> None:
    """The loop was busy elsewhere, or the machine stood still."""
    woken: list[Stream] = []
    clock = Clock()
    rests = Rests(asyncio.get_running_loop(), clock)
    rests.let(Stream(woken) for _ in range(4 * WOKEN_AT_ONCE))
    clock.now += LATE_SECONDS
    assert max(await at_once(woken, 4 * WOKEN_AT_ONCE)) == 4 * WOKEN_AT_ONCE


async def test_none_is_woken_before_it_has_rested() -> None:
    loop = asyncio.get_running_loop()
    woken: list[Stream] = []
    rests = Rests(loop)
    rests.need(0.01)
    began = loop.time()
    rests.let([Stream(woken)])
    await at_once(woken, 1)
    assert loop.time() - began >= 0.01


async def test_a_fault_of_one_keeps_no_other_asleep() -> None:
    loop = asyncio.get_running_loop()
    faults: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
    woken: list[Stream] = []
    rests = Rests(loop)
    rests.let([Stream(woken), Faulty(woken), *(Stream(woken) for _ in range(3))])
    await at_once(woken, 5)
    assert [type(fault) for fault in faults] == [ValueError]
    rests.let([Stream(woken)])
    await at_once(woken, 6)


async def test_rests_are_needed_for_a_while() -> None:
    clock = Clock()
    rests = Rests(asyncio.get_running_loop(), clock)
    assert not rests.needed
    rests.need(1)
    assert rests.needed
    clock.now += NEEDED_SECONDS
    assert not rests.needed
