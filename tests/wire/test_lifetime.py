"""Connections whose client keeps it waiting. Time is what the test says it is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from coderai.wire.inbound import ClientConnection
from coderai.wire.lifetime import BODY_PAUSE_S, HEAD_LIMIT_S, IDLE_LIMIT_S, LINGER_S, UNREAD_LIMIT_S
from coderai.wire.listener import Listener
from coderai.wire.request import Request

ASK = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"


class Served:
    """Answers with a body that is larger than what the sockets hold, unless its request's is `short`."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.cancelled = asyncio.Event()
        self.begun = asyncio.Event()
        self.answering = asyncio.Event()

    def serves(self, path: bytes) -> bool:
        return True

    async def handle(self, request: Request) -> None:
        self.begun.set()
        try:
            self.bodies.append(await request.body())
            if self.bodies[-1] == b"short!":
                return request.answer(200, b"yes", [])
            request.respond(200, b"OK", [], sized=False)
            request.write(bytes(32 * 1024 * 1024))
            self.answering.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            request.cut()


@pytest.fixture
def served() -> Served:
    return Served()


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter, ClientConnection]


@pytest.fixture
async def opened(served: Served) -> AsyncIterator[Opened]:
    def none() -> asyncio.Protocol:
        raise AssertionError("nothing is handed over here")

    listener = Listener(served, none)
    listener.max_body = listener.bodies.limit = 1000
    joined: asyncio.Queue[ClientConnection] = asyncio.Queue()
    listener.joined = joined.put_nowait  # type: ignore[method-assign]
    [(host, port)] = await listener.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    yield reader, writer, await joined.get()
    writer.close()
    await listener.stop(0)


async def test_a_body_that_stands_still_is_not_served_when_it_goes_on(served: Served, opened: Opened) -> None:
    reader, writer, connection = opened
    writer.write(ASK + b"abc")
    await served.begun.wait()
    now = connection.loop.time()
    assert not connection.overdue(now + BODY_PAUSE_S - 5)
    assert connection.overdue(now + BODY_PAUSE_S + 5)
    connection.expire()
    assert await reader.read() == b""
    assert served.cancelled.is_set()
    assert connection.transport.is_closing()  # nothing is listened to any more
    assert served.bodies == []


async def test_a_client_that_does_not_read_is_given_up(served: Served, opened: Opened) -> None:
    _, writer, connection = opened
    writer.write(ASK + b"abcdef")
    await served.answering.wait()
    assert connection.stalled
    now = connection.loop.time()
    assert not connection.overdue(now + UNREAD_LIMIT_S - 5)
    assert connection.overdue(now + UNREAD_LIMIT_S + 5)
    request = connection.request
    assert request is not None
    connection.expire()
    await served.cancelled.wait()
    assert request.gone  # so it is recorded
    assert connection.overdue(connection.loop.time() + LINGER_S + 5)
    connection.expire()  # what it has not read is thrown away
    async with asyncio.timeout(10):
        while connection.request is not None:  # noqa: ASYNC110 - as of every connection that is lost
            await asyncio.sleep(0)


async def test_a_head_has_its_time_from_its_first_byte_on(served: Served, opened: Opened) -> None:
    reader, writer, connection = opened
    writer.write(ASK + b"short!")
    assert (await reader.readuntil(b"yes")).startswith(b"HTTP/1.1 200")
    connection.since -= IDLE_LIMIT_S - 5
    now = connection.loop.time()
    assert not connection.overdue(now)
    writer.write(ASK[:10])
    async with asyncio.timeout(10):
        while not connection._head_data:  # noqa: ASYNC110 - what comes over a socket sets no event
            await asyncio.sleep(0)
    assert not connection.overdue(now + 5)
    assert connection.overdue(now + HEAD_LIMIT_S + 5)
