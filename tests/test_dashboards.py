"""SQL as Coder's Grafana dashboards have it, on a trail in PostgreSQL."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from coderai.records import Ended, Record
from tests.databases import opened
from tests.postgres import drop, fresh
from tests.trail import AT, exchange, now

DAY = 86_400_000_000  # microseconds


async def fill(url: str) -> None:
    """Ten of alice's of one day, that took 1 to 10 s, two of bob's of the next day, and one of a minute ago."""
    store = await opened(url)
    users = [await store.people.create_user(name, "", "member") for name in ("alice", "bob")]
    batches = [(exchange(AT, f"a{n}", initiator_id=users[0].id, model="gpt-5"), n + 1) for n in range(10)]
    batches += [(exchange(AT + DAY, f"b{n}", initiator_id=users[1].id, model="o3"), 1) for n in range(2)]
    batches.append((exchange(now() - 60_000_000, "new", initiator_id=users[1].id, model="o3"), 1))
    for (start, *rest, _), seconds in batches:
        await store.write([start, *rest, Record(start.id, start.id, start.at + seconds * 1_000_000, Ended(status=200))])
    await store.close()


@pytest.fixture(scope="module")
def trail(postgres_url: str) -> Iterator[str]:
    url = fresh(postgres_url)
    asyncio.run(fill(url))
    yield url
    drop(url)


FEBRUARY = "BETWEEN '2026-02-01T00:00:00Z' AND '2026-02-28T00:00:00Z'"  # as $__timeFilter makes it
USED = "aibridge_token_usages AS t JOIN aibridge_interceptions AS i ON i.id = t.interception_id"
FIRST, SECOND = datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)

SQL: dict[str, tuple[str, list[Any]]] = {
    "tokens by day": (
        f"""SELECT date_trunc('day', t.created_at) AS time, sum(t.input_tokens), sum(t.output_tokens) FROM {USED}
            WHERE i.started_at {FEBRUARY} GROUP BY 1 ORDER BY 1""",
        [(FIRST, 50, 70), (SECOND, 10, 14)],
    ),
    "tokens by hour, as $__timeGroup has it": (
        f"""SELECT floor(extract(epoch FROM i.started_at) / 3600) * 3600 AS time, sum(t.input_tokens + t.output_tokens)
            FROM {USED} WHERE i.started_at {FEBRUARY} GROUP BY 1 ORDER BY 1""",
        [(Decimal(AT // 10**6 // 3600 * 3600), 120), (Decimal((AT + DAY) // 10**6 // 3600 * 3600), 24)],
    ),
    "tokens by user": (
        f"""SELECT u.username, sum(t.input_tokens) + sum(t.output_tokens) FROM {USED}
            JOIN users AS u ON u.id = i.initiator_id
            WHERE i.started_at {FEBRUARY} AND u.username ~ 'alice|bob' GROUP BY u.username ORDER BY 2 DESC""",
        [("alice", 120), ("bob", 24)],
    ),
    "tokens by model": (
        f"""SELECT i.provider, i.model, count(DISTINCT i.id), sum(t.cache_read_input_tokens) FROM {USED}
            WHERE i.started_at BETWEEN '2026-02-01 00:00:00+00' AND '2026-02-28 00:00:00+00'
            GROUP BY 1, 2 ORDER BY 2""",
        [("openai", "gpt-5", 10, 30), ("openai", "o3", 2, 6)],
    ),
    "metadata's figures": (
        f"""SELECT sum(coalesce((t.metadata->>'total_tokens')::bigint, (t.metadata->>'none')::bigint, 0)) FROM {USED}
            WHERE i.started_at {FEBRUARY}""",
        [(180,)],
    ),
    "duration": (
        f"""SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM i.ended_at - i.started_at))::real,
            max(i.ended_at - i.started_at) FROM aibridge_interceptions AS i
            WHERE i.started_at {FEBRUARY} AND i.model = 'gpt-5'""",
        [(9.55, timedelta(seconds=10))],
    ),
    "clients": (
        f"""SELECT i.metadata->>'request_user_agent', count(*) FROM aibridge_interceptions AS i
            WHERE i.started_at {FEBRUARY} GROUP BY 1""",
        [("codex_cli_rs/0.1", 12)],
    ),
    "the last days": (
        """SELECT u.username, count(*) FROM aibridge_interceptions AS i JOIN users AS u ON u.id = i.initiator_id
            WHERE i.started_at > now() - interval '1 hour' AND now() - i.ended_at < interval '1 hour' GROUP BY 1""",
        [("bob", 1)],
    ),
    "tools and prompts": (
        f"""SELECT date_trunc('hour', c.created_at), c.tool, count(*), min(p.created_at - i.started_at)
            FROM aibridge_tool_usages AS c JOIN aibridge_interceptions AS i ON i.id = c.interception_id
            JOIN aibridge_user_prompts AS p ON p.interception_id = i.id WHERE c.created_at {FEBRUARY}
            GROUP BY 1, 2 ORDER BY 1 LIMIT 1""",
        [(FIRST + timedelta(hours=2), "shell", 10, timedelta())],
    ),
}


@pytest.mark.parametrize("name", SQL)
def test_coder_s_sql_finds_what_was_used(trail: str, name: str) -> None:
    sql, expected = SQL[name]
    with psycopg.connect(trail, options="-c TimeZone=UTC") as grafana:
        assert grafana.execute(sql).fetchall() == expected


def test_a_filter_by_time_is_answered_by_the_index(trail: str) -> None:
    sql = "EXPLAIN SELECT count(*) FROM aibridge_interceptions WHERE started_at > now() - interval '1 hour'"
    with psycopg.connect(trail) as grafana:
        grafana.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in grafana.execute(sql).fetchall())
    assert "aibridge_interceptions_started" in plan


def test_every_time_and_all_metadata_have_coder_s_types(trail: str) -> None:
    """Fails for a table that is made with SQLite's, and is not in postgres_types.py."""
    sql = """SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = current_schema() AND (column_name LIKE '%\\_at' OR column_name = 'metadata')"""
    with psycopg.connect(trail) as grafana:
        found = {(table, column): kind for table, column, kind in grafana.execute(sql).fetchall()}
    assert found == {at: "json" if at[1] == "metadata" else "timestamp with time zone" for at in found}
    assert len(found) == 21
