"""A provider sends faster than it is read: every turn of the loop reads a piece, and others have theirs between."""

import asyncio
from collections.abc import Callable

import uvloop

from coderai.wire.answer import Answer
from coderai.wire.origin import Origin
from coderai.wire.reads import Bypass
from coderai.wire.upstream import Upstreams
from coderai.wire.upstream_connection import LARGE_READ
from tests.provider import Provider, stream, whole

BODY = bytes(range(256)) * 64 * 1024  # 16 MB
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Sink:
    """Notes in which turn of the loop it got how much."""

    def __init__(self, got: Callable[[], None] = lambda: None) -> None:
        self.turn = 0
        self.got: list[tuple[int, int]] = []
        self.body = bytearray()
        self.over = asyncio.get_running_loop().create_future()
        self._got = got

    def data(self, data: bytes, framed: bytes = b"") -> Bypass | None:
        self.got.append((self.turn, len(data)))
        self.body += data
        self._got()
        return None

    def end(self) -> None:
        self.over.set_result("end")

    def lost(self) -> None:
        self.over.set_result("lost")

    def count(self) -> None:
        self.turn += 1
        if not self.over.done():
            asyncio.get_running_loop().call_soon(self.count)


async def answered(provider: Provider) -> tuple[Upstreams, Answer]:
    upstreams = Upstreams()
    return upstreams, await upstreams.send(Origin.of(provider.url), HEAD, b"")


def with_uvloop(run: Callable[[], object]) -> None:
    """As that is what serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_a_turn_reads_one_large_piece(provider: Provider) -> None:
    provider.answers(whole(BODY))

    whole_body, large = False, [0]

    async def read() -> None:
        nonlocal whole_body, large
        upstreams, answer = await answered(provider)
        sink = Sink()
        sink.count()
        answer.pipe(sink)
        await sink.over
        whole_body, large = sink.body == BODY, [turn for turn, size in sink.got if size >= LARGE_READ]
        upstreams.close()

    with_uvloop(read)
    assert whole_body
    assert len(large) > 1 and len(set(large)) == len(large)


def test_the_connection_serves_on(provider: Provider) -> None:
    """Its last bytes, too, may have come with a large piece."""
    for _ in range(3):
        provider.answers(b"".join(step for step in stream(BODY[:300_000], BODY[:200_000]) if isinstance(step, bytes)))
    before = provider.connections

    async def read() -> None:
        upstreams = Upstreams()
        for _ in range(3):
            answer = await upstreams.send(Origin.of(provider.url), HEAD, b"")
            sink = Sink()
            answer.pipe(sink)
            assert await asyncio.wait_for(sink.over, 20) == "end"
            assert (sink.body == BODY[:300_000] + BODY[:200_000]) is True
        upstreams.close()

    with_uvloop(read)
    assert provider.connections == before + 1


def test_whoever_wants_no_more_gets_no_more(provider: Provider) -> None:
    """A client that does not read holds its provider up; that the loop has had its turn does not change that."""
    provider.answers(whole(BODY))

    async def read() -> None:
        upstreams, answer = await answered(provider)

        def stop_at_a_large_one() -> None:
            if sink.got[-1][1] >= LARGE_READ:
                answer.pause()

        sink = Sink(stop_at_a_large_one)
        answer.pipe(sink)
        while not sink.over.done():
            got = len(sink.body)
            if stopped := bool(sink.got) and sink.got[-1][1] >= LARGE_READ:
                for _ in range(4):  # turns of the loop, in one of which it would be read
                    await asyncio.sleep(0)
                assert len(sink.body) == got
                answer.resume()
            await asyncio.sleep(0)
            assert not stopped or len(sink.body) <= got + 2 * LARGE_READ
        assert (await sink.over, sink.body == BODY) == ("end", True)
        upstreams.close()

    with_uvloop(read)
