"""What one turn of the loop has read is handed on at its end: all of it, in order, and to each its own."""

import asyncio
import re
import time

import pytest

from coderai.wire.chunked import framed
from coderai.wire.reads import LITTLE, LONG_TURN_SECONDS, MANY_STREAMS, Bypass, Reads, Skippable

ENDED = Skippable(b".\r\n", (b"one m", b"mark"), re.compile(rb"m\drk").search)


class Taken(list[bytes]):
    bypass: Bypass | None = None
    broken = False
    resting = False

    def take(self, data: bytes) -> None:
        self.append(data)

    def break_off(self) -> None:
        self.broken = True

    def rest(self) -> None:
        self.resting = True

    def wake(self) -> None:
        self.resting = False


class Faulty(Taken):
    def take(self, data: bytes) -> None:
        raise ValueError(data)


class Unbreakable(Faulty):
    def break_off(self) -> None:
        raise OSError


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
    reads, one, faulty, unsent = Reads(loop), Taken(), Faulty(), Taken()
    unsent.bypass = Bypass(ENDED, Faulty().take)
    reads.add(faulty, b"0")
    reads.add(unsent, framed(b"2."))
    reads.add(Unbreakable(), b"3")
    reads.add(one, b"1")
    reads.hand_on()
    assert one == [b"1"]
    assert [repr(fault) for fault in faults] == [
        "ValueError(b'0')",
        "ValueError(b'2\\r\\n2.\\r\\n')",
        "ValueError(b'3')",
        "OSError()",
    ]
    assert (one.broken, faulty.broken, unsent.broken) == (False, True, True)


@pytest.mark.parametrize(
    ("data", "passes"),
    [
        (framed(b"one."), True),
        (framed(b"one"), False),  # another end
        (framed(b"mark one."), False),
        (framed(b"m1rk."), False),
        (framed(b"one.") * 2 + framed(b"more than fifteen.") + framed(b"."), True),
        (framed(b"one.") + framed(b"one"), False),
        (framed(b"one") + framed(b"m."), False),  # nor is it known what they would be together
        (framed(b"one.") + framed(b"mark."), False),
        (framed(b"one.") + framed(b"m1rk."), False),
        (b"4\r\none.\r", False),
        (b"one.\r\n", False),
        (b"04\r\none.\r\n", False),
    ],
)
async def test_what_tells_nothing_passes_its_reader_by(data: bytes, passes: bool) -> None:
    reads, one, client = Reads(asyncio.get_running_loop()), Taken(), Taken()
    one.bypass = Bypass(ENDED, client.take)
    reads.add(one, data)
    reads.hand_on()
    assert (client, one) == (([data], []) if passes else ([], [data]))


async def test_the_framing_is_no_part_of_what_a_chunk_ends_in() -> None:
    reads, one, client = Reads(asyncio.get_running_loop()), Taken(), Taken()
    one.bypass = Bypass(Skippable(b"\n\n\r\n", (), re.compile(rb"(?!)").search), client.take)
    for content in (b"\n", b"\n\n"):
        reads.add(one, framed(content))
    reads.hand_on()
    assert (one, client) == ([framed(b"\n")], [framed(b"\n\n")])


def many(count: int) -> list[Taken]:
    """Streams, whose turn takes long."""
    streams = [Taken() for _ in range(count)]
    for stream in streams:
        stream.bypass = Bypass(ENDED, lambda chunk: None)
    streams[0].bypass = Bypass(ENDED, lambda chunk: time.sleep(2 * LONG_TURN_SECONDS))
    return streams


async def all_awake(streams: list[Taken]) -> None:
    async with asyncio.timeout(10):
        while any(stream.resting for stream in streams):  # noqa: ASYNC110 - the subject is when it ends
            await asyncio.sleep(0)


async def test_behind_a_turn_that_took_long_its_many_streams_rest() -> None:
    reads, streams, looked_at = Reads(asyncio.get_running_loop()), many(MANY_STREAMS), Taken()
    [large] = many(1)
    for reader in (*streams, looked_at):
        reads.add(reader, framed(b"one."))
    reads.add(large, framed(b"one." * LITTLE))
    reads.hand_on()
    assert all(stream.resting for stream in streams)
    assert not (looked_at.resting or large.resting)
    await all_awake(streams)
    reads.add(streams[1], framed(b"one."))
    reads.hand_on()
    assert streams[1].resting, "behind each read, as long as rests are needed"


@pytest.mark.parametrize(("streams", "data"), [(MANY_STREAMS - 1, b"one."), (MANY_STREAMS, b"one." * LITTLE)])
async def test_a_few_streams_do_not_rest_nor_many_that_bring_much(streams: int, data: bytes) -> None:
    reads, readers = Reads(asyncio.get_running_loop()), many(streams)
    for reader in (*readers, Taken()):
        reads.add(reader, framed(data))
    reads.hand_on()
    assert not any(reader.resting for reader in readers)


async def test_behind_a_short_turn_none_rests() -> None:
    reads, streams = Reads(asyncio.get_running_loop()), many(MANY_STREAMS + 1)[1:]
    for stream in streams:
        reads.add(stream, framed(b"one."))
    reads.hand_on()
    assert not any(stream.resting for stream in streams)
