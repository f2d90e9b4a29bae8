"""A client that does not read is not served on: what it asks next waits in its own socket. On both kinds of loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from coderai.wire.inbound import ClientConnection
from coderai.wire.listener import Listener
from coderai.wire.request import Request

LARGE = 32 * 1024 * 1024  # more than the sockets hold
SEVERAL = 30_000  # of these, some go into the sockets


class Served:
    """Answers with as many bytes as its request's body says; "early" with a large one before the body has come."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def serves(self, path: bytes) -> bool:
        return True

    async def handle(self, request: Request) -> None:
        try:
            if request.head.target == b"/early":
                request.respond(200, b"OK", [], sized=False)
                request.write(bytes(LARGE))
            self.bodies.append(await request.body())
            if request.answered:
                request.end()
            else:
                request.answer(200, bytes(int(self.bodies[-1])), [])
        except asyncio.CancelledError:
            request.cut()


class Client:
    """Reads when it is told to, and not before."""

    def __init__(self, own: socket.socket, served: Served) -> None:
        self.loop = asyncio.get_running_loop()
        self.socket = own
        self.served = served

    def ask(self, size: int) -> Awaitable[None]:
        body = b"%d" % size
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        return self.loop.sock_sendall(self.socket, head + body)

    async def read(self, size: int) -> None:
        while size > 0:
            data = await self.loop.sock_recv(self.socket, min(size, 1 << 20))
            assert data
            size -= len(data)


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Client, ClientConnection, Listener]]:
    def none() -> asyncio.Protocol:
        raise AssertionError("nothing is handed over here")

    listener = Listener(served := Served(), none)
    listener.max_body = listener.bodies.limit = LARGE
    [address] = await listener.listen("127.0.0.1", 0)
    try:
        with socket.socket() as own:
            own.setblocking(False)
            client = Client(own, served)
            await client.loop.sock_connect(own, address)
            await until(lambda: bool(listener._connections))
            [connection] = listener._connections
            yield client, connection, listener
    finally:
        await listener.stop(0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what comes over a socket sets no event
            await asyncio.sleep(0)


def resting(connection: ClientConnection) -> bool:
    return connection.idle and not connection.transport.is_reading()


HEAD_SIZE = len(b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n")


async def what_it_asks_next_begins_when_it_has_read() -> None:
    async with opened() as (client, connection, _):
        await client.ask(LARGE)
        await until(lambda: resting(connection))
        await client.ask(1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert client.served.bodies == [b"%d" % LARGE]
        await client.read(HEAD_SIZE + LARGE)
        await until(lambda: len(client.served.bodies) == 2)
        await client.read(len(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n") + 1)
        assert connection.transport.is_reading()


async def many_small_answers_do_not_pile_up() -> None:
    async with opened() as (client, connection, _):
        for asked in range(1, LARGE // SEVERAL):
            await client.ask(SEVERAL)
            await until(lambda: len(client.served.bodies) == asked and connection.idle)  # noqa: B023
            if resting(connection):
                break
        assert connection.transport.get_write_buffer_size() < 64 * 1024 + 2 * SEVERAL


async def all_of_a_body_is_taken_all_the_same() -> None:
    async with opened() as (client, connection, _):
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LARGE
        await client.loop.sock_sendall(client.socket, head)
        await until(lambda: connection.stalled)
        async with asyncio.timeout(20):
            await client.loop.sock_sendall(client.socket, bytes(LARGE))
        await until(lambda: len(client.served.bodies) == 1)


async def one_that_goes_without_reading_is_let_go() -> None:
    async with opened() as (client, connection, listener):
        await client.ask(LARGE)
        await until(lambda: resting(connection))
        client.socket.close()
        await until(lambda: not listener._connections)


async def what_was_answered_is_read_though_the_server_stops() -> None:
    """The next request, which nobody has read, would reset the connection."""
    async with opened() as (client, connection, listener):
        await client.ask(LARGE)
        await until(lambda: resting(connection))
        await client.ask(1)
        stopping = asyncio.create_task(listener.stop(10))
        await client.read(HEAD_SIZE + LARGE)
        assert await client.loop.sock_recv(client.socket, 1) == b""
        client.socket.close()
        await stopping


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "case",
    [
        what_it_asks_next_begins_when_it_has_read,
        many_small_answers_do_not_pile_up,
        all_of_a_body_is_taken_all_the_same,
        one_that_goes_without_reading_is_let_go,
        what_was_answered_is_read_though_the_server_stops,
    ],
    ids=lambda case: case.__name__,
)
def test_unread(case: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(case())
