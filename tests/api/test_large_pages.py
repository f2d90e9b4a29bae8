"""Pages of contents that are not all in memory at once."""

import tracemalloc

import aiohttp
import msgspec
import pytest

from coderai.api.interceptions import LARGE, PIECE_BYTES, SLICE, interceptions
from coderai.auth import User
from coderai.records import Thought
from coderai.store.selection import Filter
from tests.api.running import PATH, Api
from tests.trail import AT, found, listed, started


async def written(api: Api, count: int, text: str) -> bytes:
    """What the whole page has to be."""
    batch = [started(AT + n) for n in range(count)]
    await api.store.write(batch)
    for start in batch:
        await api.store.write([found(start, Thought(text, {}))])
    page = await listed(api.store, Filter(), limit=count)
    results = b",".join(msgspec.json.encode(interception) for interception in page)
    return b'{"count":%d,"results":[%b]}\n' % (count, results)


@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, 1), (60, 100), (60, 10_000), (2, 2 * LARGE), (60, 2 * LARGE)])
async def test_the_bytes_are_those_of_one_text(api: Api, count: int, size: int) -> None:
    whole = await written(api, count, '"\u20ac' * (size // 2))
    token = {"Coder-Session-Token": api.tokens["dora"]}
    status, headers, body = await api.request("GET", PATH, token)
    assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert body == whole
    length = str(len(whole)) if len(whole) < PIECE_BYTES else None
    assert headers.get("Content-Length") == length
    status, headers, body = await api.request("HEAD", PATH, token)
    assert (status, headers["Content-Type"], body) == (200, "application/json; charset=utf-8", b"")
    assert headers.get("Content-Length") == length


async def test_only_a_few_are_in_memory(api: Api) -> None:
    await written(api, 60, "x" * 1_000_000)
    pieces = interceptions(api.store, User(api.ids["dora"], "dora", "owner", ""), {})
    tracemalloc.start()
    sizes = [len(await anext(pieces)) for _ in range(SLICE + 5)]
    assert tracemalloc.get_traced_memory()[1] < 40_000_000  # a slice of the most that it may hold, and the next one
    tracemalloc.reset_peak()
    sizes += [len(piece) async for piece in pieces]
    assert tracemalloc.get_traced_memory()[1] < 20_000_000  # and smaller ones
    tracemalloc.stop()
    assert len(sizes) == 61
    assert max(sizes) < 1_010_000


async def test_a_database_that_fails_while_the_client_reads_breaks_the_connection(api: Api) -> None:
    """Which also shows that nothing is read ahead of a client that does not read."""
    await written(api, 60, "x" * 1_000_000)
    assert api.session is not None
    async with api.session.get(PATH, headers={"Coder-Session-Token": api.tokens["dora"]}) as response:
        assert response.status == 200
        await api.store.close()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert (await api.get())[0] == 503
