"""The search of interceptions: keys, times, quotes, and mistakes."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.api.search import KEYS, BadSearch, microseconds, terms
from coderai.store import times
from tests.api.running import Api
from tests.trail import AT, started

SECOND = 1_000_000


@pytest.mark.parametrize(
    "q",
    [
        "provider:anthropic",
        "provider_name:claude",
        'model:"claude sonnet"',
        'client:"Claude Code"',
        "session_id:s-1",
        f"started_after:{times.text(AT + SECOND)}",
        f'started_after:"{times.text(AT + SECOND)}" provider:anthropic',
        "initiator:alice",
        "ALICE",
    ],
)
async def test_each_key(api: Api, q: str) -> None:
    wanted = started(
        AT + SECOND,
        initiator_id=api.ids["alice"],
        provider="anthropic",
        provider_name="claude",
        model="claude sonnet",
        client="Claude Code",
        client_session_id="s-1",
    )
    await api.store.write([started(initiator_id=api.ids["bob"]), wanted])
    assert await api.ids_of(q) == [wanted.id]


async def test_times_with_zones_and_between(api: Api) -> None:
    first, second, third = (started(AT + n * SECOND) for n in range(3))
    await api.store.write([first, second, third])
    q = "started_after:2026-02-02T03:40:01+01:00 started_before:2026-02-02T02:40:02Z"
    assert await api.ids_of(q) == [second.id]


@pytest.mark.parametrize(
    ("q", "field", "detail"),
    [
        ("colour:blue", "colour", '"colour" is not a valid query param'),
        (
            "model:a:b",
            "q",
            "Query element \"model:a:b\" can only contain 1 ':'; put a value that holds one in double quotes",
        ),
        (":gpt", "q", "Query element \":gpt\" cannot start or end with ':'"),
        ("model:", "q", "Query element \"model:\" cannot start or end with ':'"),
        ('model:"gpt', "q", "not closed"),
        ("model:a model:b", "model", "more than once"),
        ("initiator:nobody", "initiator", 'there is no user "nobody"'),
        ("started_after:yesterday", "started_after", "RFC 3339"),
        ("started_after:2026-02-30T00:00:00Z", "started_after", "RFC 3339"),
        ("started_before:9999-12-31T23:59:59-01:00", "started_before", "RFC 3339"),
        ("started_after:0001-01-01T00:00:00+23:59", "started_after", "RFC 3339"),
        (
            "started_after:2026-02-02T00:00:00Z started_before:2026-02-01T00:00:00Z",
            "started_before",
            "later than started_after",
        ),
    ],
)
async def test_mistakes_are_named(api: Api, q: str, field: str, detail: str) -> None:
    status, body = await api.get(f"q={quote(q)}")
    assert (status, body["message"]) == (400, "Invalid session search query.")
    (validation,) = body["validations"]
    assert validation["field"] == field
    assert detail in validation["detail"]


@given(st.text())
def test_any_text_is_understood_or_refused(q: str) -> None:
    with suppress(BadSearch):
        assert set(terms(q)) <= set(KEYS)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ('model:"a:b: c"', {"model": "a:b: c"}),
        ('mod":"el', {"initiator": "mod:el"}),
        ('model:a":"b":"c client:""x', {"model": "a:b:c", "client": "x"}),
        ("started_after:1:2:3", {"started_after": "1:2:3"}),
    ],
)
def test_colons_in_quotes_part_nothing(q: str, found: dict[str, str]) -> None:
    assert terms(q) == found


def test_a_million_colons_are_read() -> None:
    """Which took the square of their number: hours."""
    with pytest.raises(BadSearch, match="can only contain 1"):
        terms("model:" + "a:" * 1_000_000 + "b")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01T01:00:00.123456789+01:00", 123_456),
    ],
)
def test_times(text: str, value: int) -> None:
    assert microseconds(text) == value
