"""Which connection to a provider the next request goes over."""

import asyncio

from coderai.wire.answer import ReceivedAnswer
from coderai.wire.origin import Origin
from coderai.wire.upstream import KEEP_ALIVE_S, Upstreams
from tests.provider import Pause, Provider, whole

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Stalling:
    """A Sink that wants no more with each byte that it gets."""

    def __init__(self, answer: ReceivedAnswer) -> None:
        self.over = asyncio.Event()
        self._answer = answer

    def data(self, data: bytes, framed: bytes = b"") -> None:
        self._answer.pause()

    def end(self) -> None:
        self.over.set()

    def lost(self) -> None:
        raise AssertionError("it came whole")


async def exchange(upstreams: Upstreams, provider: Provider) -> None:
    answer, pause = whole(b"{}"), Pause()
    provider.answers(answer[:-2], pause, answer[-2:])
    async with asyncio.timeout(10):
        received = await upstreams.send(Origin.of(provider.url), HEAD, b"")
        received.pipe(sink := Stalling(received))
        pause.go()
        await sink.over.wait()


async def test_one_whose_answer_was_paused_by_its_last_bytes_serves_on(provider: Provider) -> None:
    known, upstreams = provider.connections, Upstreams()
    for _ in range(3):
        await exchange(upstreams, provider)
    assert provider.connections == known + 1
    upstreams.close()


async def test_not_one_that_has_been_idle_for_too_long(provider: Provider) -> None:
    """Though nobody has looked since: its provider may be about to close it."""
    known, upstreams = provider.connections, Upstreams()
    await exchange(upstreams, provider)
    [connection] = upstreams._all
    connection.idle_since -= KEEP_ALIVE_S
    await exchange(upstreams, provider)
    assert provider.connections == known + 2
    assert connection.closed
    upstreams.close()
