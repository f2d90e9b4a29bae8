"""A filter selects the same interceptions whichever way they are found."""

from pathlib import Path
from typing import Any

import pytest

from coderai.records import Record
from coderai.store import Store, times
from coderai.store.selection import MOST_BEGINNINGS, MOST_FACETS, Filter, Query, select
from tests.databases import Place, change, opened
from tests.trail import AT, listed, started

MODELS = MOST_FACETS + 10


def trail() -> list[Record]:
    return [
        started(
            at=AT + n // 3,  # some begin at the same time
            model=f"m{n % MODELS}",
            client=("Codex", "Zed")[n % 2],
            provider_name=("openai", "other")[n % 5 == 0],
            initiator_id=f"user-{n % 3}",
            client_session_id=f"s{n % 4}" if n % 4 else None,
        )
        for n in range(400)
    ]


def selected(record: Record, filter: Filter) -> bool:
    finding: Any = record.finding
    for name in ("provider", "provider_name", "model", "client"):
        if getattr(filter, name) not in (None, getattr(finding, name)):
            return False
    return (
        (filter.initiator_ids is None or finding.initiator_id in filter.initiator_ids)
        and filter.session_id in (None, finding.client_session_id or record.id)
        and (filter.started_after or 0) <= record.at <= (filter.started_before or record.at)
    )


FILTERS = [
    Filter(),
    Filter(provider="openai"),
    Filter(provider="none"),
    Filter(provider_name="other"),
    Filter(model="m7"),
    Filter(model="m7", client="Zed"),
    Filter(client="Zed", provider_name="other", model="m5"),
    Filter(model="m3", initiator_ids=("user-0", "user-1")),
    Filter(initiator_ids=("user-2", "user-0", "user-9")),
    Filter(initiator_ids=tuple(f"user-{n}" for n in range(1, 1000))),
    Filter(initiator_ids=()),
    Filter(initiator_ids=(), session_id="s2"),
    Filter(session_id="s2"),
    Filter(session_id="s2", model="m6"),
    Filter(session_id="s1", provider_name="other"),
    Filter(session_id="s1", initiator_ids=("user-0", "user-2"), started_after=AT + 20),
    Filter(client="Codex", started_after=AT + 20, started_before=AT + 90),
    Filter(model="m4", started_after=AT + 20, started_before=AT + 90),
]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
async def test_every_filter_selects_what_it_says(store: Store, filter: Filter) -> None:
    records = trail()
    await store.write(records)
    ordered = sorted(records, key=lambda record: (record.at, record.id), reverse=True)
    wanted = [record.id for record in ordered if selected(record, filter)]
    assert await store.trail.count(filter) == len(wanted)
    assert [one.id for one in await listed(store, filter, limit=1000)] == wanted
    assert [one.id for one in await listed(store, filter, limit=5, offset=3)] == wanted[3:8]
    if len(wanted) > 4:
        place = (times.text(next(record.at for record in records if record.id == wanted[3])), wanted[3])
        assert [one.id for one in await listed(store, filter, limit=5, after=place)] == wanted[4:9]


async def test_a_client_that_somebody_removed_hides_no_others(store: Store, place: Place) -> None:
    records = [started(at=AT + n) for n in range(3)]
    await store.write(records)
    change(place, f"UPDATE aibridge_interceptions SET client = NULL WHERE id = '{records[1].id}'")
    for filter in (Filter(provider="openai"), Filter(model="gpt-5"), Filter(client="Codex")):
        assert [one.id for one in await listed(store, filter, limit=5)] == [records[2].id, records[0].id]


def on_models(count: int, **changes: Any) -> list[Record]:
    return [started(at=AT + n, model=f"m{n % 150}", **changes) for n in range(count)]


async def steps(store: Store, filter: Filter) -> int:
    """Of SQLite's machine, in hundreds, for a page."""
    seen: list[None] = []
    reports: Any = store._driver._reports._connection  # type: ignore[attr-defined]
    reports.set_progress_handler(lambda: seen.append(None), 100)
    await listed(store, filter, limit=5)
    reports.set_progress_handler(None, 0)
    return len(seen)


RARE = [
    Filter(model="rare"),
    Filter(client="rare"),
    Filter(provider_name="other", client="Zed"),
    Filter(model="none"),
    Filter(provider="openai", model="none", client="Codex"),
]


@pytest.mark.parametrize("filter", RARE, ids=str)
async def test_the_trail_is_not_read_for_what_is_rare(tmp_path: Path, filter: Filter) -> None:
    """However many models there are beside it."""
    store = await opened(tmp_path / "coderai.db")
    rare = started(model="rare", client="rare"), started(at=AT + 5, provider_name="other", client="Zed")
    await store.write([*rare, *on_models(600)])
    few = await steps(store, filter)
    await store.write(on_models(6000))
    assert await steps(store, filter) < 1.5 * few + 10
    await store.close()


async def test_so_many_models_that_they_are_not_looked_into_one_by_one(store: Store) -> None:
    records = [started(at=AT + n, model=f"m{n}") for n in range(MOST_BEGINNINGS + 10)]
    await store.write([*records, rare := started(client="rare")])
    assert [one.id for one in await listed(store, Filter(client="rare"), limit=5)] == [rare.id]
    assert await store.trail.count(Filter(client="Codex")) == len(records)


async def test_a_session_is_what_names_it_and_what_it_began_with_once(store: Store) -> None:
    alone, within = started(), started(client_session_id="s")
    await store.write([alone, within, started(client_session_id=alone.id)])
    assert await store.trail.count(Filter(session_id=alone.id)) == 2
    assert await store.trail.count(Filter(session_id=within.id)) == 0
    assert await store.trail.count(Filter(session_id="s")) == 1


async def test_counting_ends_for_several_users_where_it_does_for_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coderai.store.trail.COUNT_LIMIT", 3)
    await store.write([started(initiator_id=f"user-{n % 2}") for n in range(6)])
    assert await store.trail.count(Filter(initiator_ids=("user-0", "user-1"))) == 3


async def test_what_others_have_left_empty_is_shown_as_such(store: Store, place: Place) -> None:
    await store.write([started()])
    change(place, "UPDATE aibridge_interceptions SET client = NULL, metadata = NULL")
    (shown,) = await listed(store, Filter(), limit=1)
    assert (shown.client, bytes(shown.metadata)) == ("Unknown", b"{}")


SORTED = [
    Filter(session_id="s"),
    Filter(session_id="s", initiator_ids=("user-1", "user-2")),
    Filter(initiator_ids=("user-1", "user-2"), model="m1"),
]


@pytest.mark.parametrize("filter", SORTED, ids=str)
async def test_nothing_is_sorted_but_what_began_at_the_same_time(tmp_path: Path, filter: Filter) -> None:
    store = await opened(tmp_path / "coderai.db")
    for after in (None, ("2026-01-01T00:00:00.000000Z", "id")):
        found = await plan(store, (await select(store._driver.report, filter, after)).newest(5))
        assert not {"MULTI-INDEX OR", "USE TEMP B-TREE FOR ORDER BY"}.intersection(found), found
    await store.close()


async def test_a_users_interceptions_of_a_session_are_counted_by_the_session(tmp_path: Path) -> None:
    store = await opened(tmp_path / "coderai.db")
    filter = Filter(session_id="s", initiator_ids=("user-1",))
    found = await plan(store, (await select(store._driver.report, filter)).any(5))
    assert not any("_initiator" in line for line in found), found
    await store.close()


async def plan(store: Store, query: Query | None) -> list[str]:
    assert query
    return [row[3] for row in await store._driver.report(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)]
