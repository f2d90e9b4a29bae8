"""Times and metadata have types in PostgreSQL, and are the same texts as in SQLite for all of coderai."""

from collections.abc import AsyncIterator
from datetime import datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coderai.cli.tokens import _state
from coderai.records import Prompt, Thought, Tokens, ToolCall
from coderai.store import Store, times
from coderai.store.postgres_types import as_text
from coderai.store.selection import Filter
from tests.databases import change, opened, query
from tests.postgres import drop, fresh
from tests.trail import AT, exchange, found, listed, now, started

YEAR = 365 * 86_400_000_000  # microseconds
FIRST = times.microseconds("0001-01-01T00:00:00.000000Z")
LAST = times.microseconds("9999-12-31T23:59:59.999999Z")
SETTINGS = ("TimeZone = 'Asia/Kolkata'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'")


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """Of a database whose defaults are not ours."""
    url = fresh(postgres_url)
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as server:
        for setting in SETTINGS:
            server.execute(f"ALTER DATABASE {name} SET {setting}")
    yield url
    drop(url)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await opened(url)
    yield store
    await store.close()


async def round_trip(store: Store, *texts: str) -> list[str]:
    rows = await store._driver.report(f"SELECT {', '.join(['CAST(? AS timestamptz)'] * len(texts))}", texts)
    return [str(text) for text in rows[0]]


async def test_what_is_stored_is_read_as_it_was_written(store: Store) -> None:
    batches = [exchange(at, call_id=f"c{at}") for at in (FIRST, -YEAR, 0, AT, AT + 876_544, LAST - YEAR)]
    for start, *rest in batches:
        await store.write([start])
        await store.write(
            [*rest[:-1], found(start, Thought("", {"a": 1.0, "A": "\u20ac\x01", "b": [10**18]})), rest[-1]]
        )
    page = await listed(store, Filter(), limit=10)
    assert [one.started_at for one in page] == [times.text(batch[0].at) for batch in reversed(batches)]
    assert {bytes(thought.metadata) for one in page for thought in one.model_thoughts} == {
        b'{"source":"reasoning_summary"}',
        b'{"a":1.0,"A":"\xe2\x82\xac\\u0001","b":[1000000000000000000]}',
    }
    between = Filter(started_after=-YEAR, started_before=AT)
    assert [one.id for one in await listed(store, between, limit=10)] == [b[0].id for b in batches[3:0:-1]]
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.breaks) == (6, [])
    while await store.purge.contents(AT + 1):
        pass
    while await store.purge.batch(1):
        pass
    assert (await store.verify("", "9999", {})).contents_deleted == times.text(AT)
    assert await store.trail.count(Filter()) == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(st.integers(FIRST, LAST), min_size=20, max_size=20))
async def test_so_is_every_time(store: Store, found: list[int]) -> None:
    texts = [times.text(time) for time in found]
    assert await round_trip(store, *texts) == texts


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 10:00:00+00 BC", "10000-01-01 00:00:00.5+00"])
async def test_what_others_write_is_read_as_the_server_takes_it(store: Store, text: str) -> None:
    assert as_text(text) == text
    assert await round_trip(store, text) == [text]


TIMES = ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'", "NULL"]
PLACES = [
    ("aibridge_interceptions", "started_at", "id"),
    ("aibridge_interceptions", "ended_at", "id"),
    ("aibridge_token_usages", "created_at", "interception_id"),
    ("aibridge_model_thoughts", "created_at", "interception_id"),
]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(("table", "column", "key"), PLACES)
async def test_a_time_that_was_changed_is_told(
    url: str, store: Store, table: str, column: str, key: str, time: str
) -> None:
    batches = [exchange(AT + n, call_id=f"c{n}") for n in range(25)]
    await store.write([record for batch in batches for record in batch])
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
    change(url, f"UPDATE {table} SET {column} = {time} WHERE {key} = '{batches[12][0].id}'")
    breaks = (await store.verify("", "9999", {})).breaks
    assert any(batches[12][0].id in found.what for found in breaks), breaks
    if time != "NULL" or column == "ended_at":
        page = await listed(store, Filter(), limit=100)
        assert len(page) == 25
        place = await store.trail.place(page[0].id, None)
        assert len(await listed(store, Filter(), limit=100, after=place)) == 24
    await store.purge.contents(AT + 100)
    await store.purge.batch(AT + 100)
    await store.write(exchange(now()))


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(
    ("table", "column"),
    [("instances", "started_at"), ("instances", "ended_at"), ("retention", "started_at"), ("past_seals", "started_at")],
)
async def test_nor_is_one_elsewhere_anybody_s_trouble(
    url: str, store: Store, table: str, column: str, time: str
) -> None:
    await store.write([*(long := exchange(AT))[:2]])
    for n in range(3):
        await store.write(exchange(AT + 1 + n, call_id=f"c{n}"))
    await store.purge.contents(AT + 2)
    await store.write(exchange(AT + 100))
    await store.write(long[2:])
    await store.purge.contents(AT + 2)
    await store.purge.batch(AT + 1)  # whose seal is the last: it stays as a past one
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"ALTER TABLE aibridge_{table} ALTER COLUMN {column} DROP NOT NULL")
        assert owner.execute(f"UPDATE aibridge_{table} SET {column} = {time}").rowcount
    verdict = await store.verify("", "9999", {})
    assert bool(verdict.breaks) == (table != "instances"), verdict
    await store.purge.contents(AT + 50)
    await store.write(exchange(AT + 60), late=True)
    await store.purge.batch(now())


@pytest.mark.parametrize(
    ("time", "state"), [("'infinity'", "active"), ("'-infinity'", "expired"), ("'0044-03-15 BC'", "expired")]
)
async def test_a_token_that_somebody_else_has_expire(url: str, store: Store, time: str, state: str) -> None:
    user = await store.people.create_user("alice", "", "member")
    for id in ("abcdefghij", "0123456789"):
        await store.people.create_token(id, user.id, "laptop", "0" * 64, now() + YEAR)
    change(url, f"UPDATE tokens SET expires_at = {time} WHERE id = 'abcdefghij'")
    known = await store.people.tokens_by_id(["abcdefghij", "0123456789"])
    assert known["0123456789"].expires_at is not None and known["0123456789"].expires_at > now()
    assert known["abcdefghij"].expires_at == (None if state == "active" else 0)
    listed = {token.id: _state(token, times.text(now())) for token in await store.people.tokens()}
    assert listed == {"abcdefghij": state, "0123456789": "active"}


async def test_a_user_s_time_of_sql_is_one_of_ours(url: str, store: Store) -> None:
    user = await store.people.create_user("alice", "", "member")
    await store.people.create_token("abcdefghij", user.id, "laptop", "0" * 64, None)
    change(url, "UPDATE tokens SET expires_at = now() + interval '1 day', revoked_at = '2026-01-02 05:30+05:30'")
    (token,) = await store.people.tokens()
    assert datetime.fromisoformat(str(token.expires_at)).timestamp() * 10**6 > now()
    assert token.revoked_at == "2026-01-02T00:00:00.000000Z"
    assert query(url, "SELECT username FROM users") == [("alice",)]


async def test_metadata_can_be_looked_into_whatever_anybody_writes_there(url: str, store: Store) -> None:
    """A NUL in one row would fail every question that reads it."""
    label = {"server_label": "a\x00b", "kind": "server", "caller": {"tool_id": ["\x00"]}}
    call = ToolCall(message_id="m", call_id="c", tool="t", input="{}", metadata=label)
    tokens = Tokens(message_id="m", input=1, output=1, metadata={"service_tier": "\x00"})
    start = started()
    prompt = found(start, Prompt("x", {"other_parts": ["a\x00b", "c\\u0000d"]}))
    await store.write([start, prompt, found(start, call), found(start, tokens)])
    for table, name, value in (
        ("tool_usages", "server_label", "a\\x00b"),
        ("tool_usages", "caller", '{"tool_id":["\\\\x00"]}'),
        ("token_usages", "service_tier", "\\x00"),
        ("user_prompts", "other_parts", '["a\\\\x00b","c\\\\u0000d"]'),
    ):
        assert query(url, f"SELECT metadata->>'{name}' FROM aibridge_{table}") == [(value,)]
