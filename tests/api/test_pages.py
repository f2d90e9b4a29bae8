"""Pages of interceptions, by offset and by id."""

import asyncio
import json

import pytest

from coderai.api.interceptions import SLICE
from coderai.store import Store
from coderai.store.selection import Filter
from tests.api.running import Api
from tests.databases import Place, change
from tests.trail import AT, exchange, listed, started

NOBODY_S = "01900000-0000-7000-8000-000000000000"


async def written(api: Api, count: int) -> list[str]:
    """Newest first; every other pair started at the same time."""
    batch = [started(AT + n // 2) for n in range(count)]
    await api.store.write(batch)
    return [record.id for record in reversed(batch)]


async def test_by_offset(api: Api) -> None:
    ids = await written(api, 250)
    _, body = await api.get("limit=120&offset=7")
    assert body["count"] == 250
    assert [result["id"] for result in body["results"]] == ids[7:127]
    _, body = await api.get()
    assert [result["id"] for result in body["results"]] == ids[:100]


async def test_by_id(api: Api) -> None:
    ids = await written(api, 250)
    seen: list[str] = []
    query = "limit=99"
    while page := (await api.get(query))[1]["results"]:
        seen += [result["id"] for result in page]
        query = f"limit=99&after_id={seen[-1].upper()}"
    assert seen == ids


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # PostgreSQL takes no bytes for a text
async def test_a_time_with_a_changed_byte_is_listed_once(api: Api, place: Place) -> None:
    ids = await written(api, 2 * SLICE)
    changed = "started_at = CAST(CAST(started_at AS BLOB) || x'80' AS TEXT)"
    change(place, f"UPDATE aibridge_interceptions SET {changed} WHERE id = '{ids[SLICE - 1]}'")
    for query in ("", f"after_id={ids[SLICE - 1]}"):
        _, body = await api.get(query)
        assert [result["id"] for result in body["results"]] == (ids[SLICE:] if query else ids)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_an_id_with_a_changed_byte_is_listed_once(api: Api, place: Place) -> None:
    ids = await written(api, 2 * SLICE)
    changed = "id = CAST(x'80' || substr(id, 2) AS TEXT)"
    change(place, f"UPDATE aibridge_interceptions SET {changed} WHERE id = '{ids[SLICE - 1]}'")
    _, body = await api.get()
    shown = [result["id"] for result in body["results"]]
    assert shown == [*ids[: SLICE - 1], f"\ufffd{ids[SLICE - 1][1:]}", *ids[SLICE:]]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_times_that_are_bytes_hide_no_others(api: Api, place: Place) -> None:
    ids = await written(api, 2 * SLICE)
    change(
        place,
        f"UPDATE aibridge_interceptions SET started_at = CAST(started_at AS BLOB) WHERE id < '{ids[SLICE - 1]}'",
    )
    _, body = await api.get()
    assert [result["id"] for result in body["results"]] == [*ids[SLICE:], *ids[:SLICE]]


async def test_the_count_ends_at_ten_thousand(api: Api) -> None:
    await written(api, 10_001)
    _, body = await api.get("limit=1")
    assert body["count"] == 10_000


@pytest.mark.parametrize(
    ("query", "message", "part"),
    [
        ("limit=0", "Invalid pagination limit value.", "Pagination limit must be in range (0, 1000]"),
        ("limit=1001", "Invalid pagination limit value.", "Pagination limit must be in range (0, 1000]"),
        ("limit=x", "Query parameters have invalid values.", "limit"),
        ("offset=-1", "Query parameters have invalid values.", "offset"),
        ("offset=99999999999", "Query parameters have invalid values.", "offset"),
        ("model=gpt-5&limit=2", "Query parameters have invalid values.", "is a term of q: q=model:"),
        ("after_id=x", "Query parameters have invalid values.", "after_id"),
        (
            f"after_id={NOBODY_S}&offset=1",
            "Query parameters have invalid values.",
            "Cannot use both after_id and offset pagination in the same request.",
        ),
        (f"after_id={NOBODY_S}", "Query parameter has invalid value.", "not found"),
    ],
)
async def test_mistakes(api: Api, query: str, message: str, part: str) -> None:
    status, body = await api.get(query)
    assert (status, body["message"]) == (400, message)
    assert part in json.dumps(body)


async def test_what_is_shown_of_an_interception_is_of_one_moment(store: Store) -> None:
    """Its end and what was found in it are stored together, and nobody sees one without the other."""
    batches = [exchange(AT + n, call_id=f"call_{n}") for n in range(200)]

    async def write() -> None:
        for start, *findings in batches:
            await store.write([start])
            await store.write(findings)

    writing = asyncio.create_task(write())
    seen = set()
    while not writing.done():
        for one in await listed(store, Filter(), limit=3):
            below = (one.token_usages, one.tool_usages, one.user_prompts, one.model_thoughts)
            assert {len(found) for found in below} == {0 if one.ended_at is None else 1}
            seen.add(one.ended_at is None)
    await writing
    assert seen == {True, False}
