"""A request's body is whole however it is cut, and takes about the memory that the limits count."""

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from coderai.wire.listener import Listener
from coderai.wire.request import Request
from coderai.wire.request_body import GATHERED, SMALL_PART

MANY = 1024 * 1024
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Kept:
    """Answers with an empty body what it keeps."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.requests: list[Request] = []

    def serves(self, path: bytes) -> bool:
        return True

    async def handle(self, request: Request) -> None:
        try:
            self.requests.append(request)
            self.bodies.append(await request.body())
            request.answer(200, b"", [])
        except asyncio.CancelledError:
            request.cut()


def none() -> asyncio.Protocol:
    raise AssertionError("nothing is handed over here")


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def opened(kept: Kept) -> AsyncIterator[Opened]:
    listener = Listener(kept, none)
    listener.max_body = listener.bodies.limit = 64 * MANY
    [(host, port)] = await listener.listen("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    yield reader, writer
    writer.close()
    await listener.stop(0)


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZES = (1, 2, SMALL_PART - 1, SMALL_PART, SMALL_PART + 1, GATHERED - 1, GATHERED, GATHERED + 1, 3 * GATHERED)


async def test_a_body_in_chunks_of_every_size(kept: Kept, opened: Opened) -> None:
    reader, writer = opened
    rng = random.Random(1)
    for _ in range(20):
        parts = [rng.randbytes(rng.choice(SIZES)) for _ in range(rng.randrange(40))]
        writer.write(HEAD + chunked(parts) + b"0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert kept.bodies.pop() == b"".join(parts)
        assert type(await kept.requests.pop().body()) is bytes


async def test_a_body_of_tiny_chunks_takes_no_more_than_what_is_counted(kept: Kept, opened: Opened) -> None:
    reader, writer = opened
    piece = chunked([b"ab"] * 4096)
    tracemalloc.start()
    try:
        writer.write(HEAD)
        for _ in range(MANY // 8192):
            writer.write(piece)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.bodies == [b"ab" * (MANY // 2)]
    assert most < 5 * MANY  # as parts and as one, what is on its way, and somebody's reserve
