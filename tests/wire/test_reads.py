"""What one turn of the loop has read is handed on at its end: all of it, in order, and to each its own."""

import asyncio

from coderai.wire.reads import Reads


class Taken(list[bytes]):
    def take(self, data: bytes) -> None:
        self.append(data)


class Faulty:
    def take(self, data: bytes) -> None:
        raise ValueError(data)


async def test_in_order_at_the_end_of_the_turn() -> None:
    reads, one, other = Reads(asyncio.get_running_loop()), Taken(), Taken()
    for reader, data in ((one, b"1"), (other, b"2"), (one, b"3")):
        reads.add(reader, data)
    assert (one, other) == ([], [])
    await asyncio.sleep(0)
    assert (one, other) == ([b"1", b"3"], [b"2"])
    reads.add(other, b"4")
    await asyncio.sleep(0)
    assert other == [b"2", b"4"]


async def test_at_once_where_somebody_cannot_wait() -> None:
    reads, one = Reads(asyncio.get_running_loop()), Taken()
    reads.add(one, b"1")
    reads.hand_on()
    assert one == [b"1"]
    await asyncio.sleep(0)
    assert one == [b"1"]


async def test_one_that_fails_keeps_nothing_from_the_others() -> None:
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    reads, one = Reads(loop), Taken()
    reads.add(Faulty(), b"0")
    reads.add(one, b"1")
    reads.hand_on()
    assert one == [b"1"]
    assert [repr(fault) for fault in faults] == ["ValueError(b'0')"]
