"""Which interceptions a filter selects, and how they are found without reading the trail from end to end.

Provider, name, model and client have few combinations ("facets"), each of which an index holds in the order of time.
They are found column by column, of one that is wanted with that value alone, and by skipping what is between two.
A filter of those is answered from the facets that fulfil it, so that a model that is rare, or long gone, costs no
more than one that everybody uses. Where many facets fulfil it, what it selects is frequent, and the newest
interceptions are simply looked through; likewise those of one user, or of one session.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from coderai.store import times
from coderai.store.driver import Row, marks, marks_of

# Facets beyond that are not asked one by one.
MOST_FACETS = 50
# Nor are so many beginnings of facets looked into for the rest of them: some milliseconds' work.
MOST_BEGINNINGS = 1000

_FACET = ("provider", "provider_name", "model", "client")
# Who is a session alone, and who is in one with others: as the index has it, see migrations.py.
_OF_SESSION = ("i.id = ? AND i.session_id = i.id", "i.session_id = ? AND i.session_id <> i.id")
NEWEST_FIRST = "ORDER BY i.started_at DESC, i.id DESC"

Ask = Callable[[str, Sequence[Any]], Awaitable[list[Row]]]
Place = tuple[str, str]  # in the list: when an interception began, and its id


class Filter(Struct, frozen=True, kw_only=True):
    """What an interception must fulfil; None asks for nothing, and times include their limit."""

    initiator_ids: tuple[str, ...] | None = None
    provider: str | None = None
    provider_name: str | None = None
    model: str | None = None
    client: str | None = None
    session_id: str | None = None
    started_after: int | None = None
    started_before: int | None = None


class Query(NamedTuple):
    sql: str
    parameters: list[Any]


class Selection:
    """What is selected, in parts that have nothing in common."""

    def __init__(self, conditions: Sequence[Query]) -> None:
        self._conditions = conditions

    def newest(self, most: int) -> Query | None:
        """For `id` and `started_at` of each part's newest, in whatever order; None where nothing can be selected."""
        return self._each("SELECT i.id, i.started_at", f"{NEWEST_FIRST} LIMIT ?", most)

    def any(self, most: int) -> Query | None:
        """For as many rows of each part, to be counted."""
        return self._each("SELECT 1", "LIMIT ?", most)

    def _each(self, select: str, tail: str, most: int) -> Query | None:
        parts: list[str] = []
        parameters: list[Any] = []
        for where, values in self._conditions:
            part = f"{select} FROM aibridge_interceptions AS i WHERE {where} {tail}"
            parts.append(f"SELECT * FROM ({part}) AS part{len(parts)}")  # noqa: S608 - see _where
            parameters += (*values, most)
        return Query(" UNION ALL ".join(parts), parameters) if parts else None


async def select(ask: Ask, filter: Filter, after: Place | None = None) -> Selection:
    """after: only what stands behind this place in the list."""
    facets = await _facets(ask, filter)
    if facets is None:
        return Selection(_parts(filter, after))
    of_facet = " AND ".join(f"i.{column} = ?" for column in _FACET)
    times_only = Filter(started_after=filter.started_after, started_before=filter.started_before)
    part = _where(times_only, after)
    return Selection([_and(part, of_facet, facet) for facet in facets])


async def _facets(ask: Ask, filter: Filter) -> list[Row] | None:
    """The facets that fulfil it; None where they are not to be asked one by one."""
    wanted = [getattr(filter, column) for column in _FACET]
    if filter.initiator_ids is not None or filter.session_id is not None or not any(wanted):
        return None
    facets: list[Row] = [()]
    for depth, want in enumerate(wanted, 1):
        most = MOST_BEGINNINGS if any(wanted[depth:]) else MOST_FACETS
        facets = await ask(*_longer(facets, want, most + 1))
        if not facets:
            return []
        if len(facets) > most:
            return None
    return facets


def _longer(beginnings: Sequence[Row], want: str | None, most: int) -> Query:
    """For these beginnings of facets, each with every value of its next column, or with the one that is wanted.

    An index leads from one value straight to the next, in the order of the database's collation. A client of NULL, as
    others have written it, comes before all others in SQLite, and must not be taken for their end.
    """
    column = _FACET[len(beginnings[0])]
    known = ["top", *_FACET[: len(beginnings[0])]]  # `top`, for a row needs a column before the first one, too
    wants = [] if want is None else [want]
    same = [f"i.{name} = b.{name}" for name in known[1:]] + [f"i.{column} = ?" for _ in wants]
    first, later = (
        # not min(): PostgreSQL reads all the values for it where it takes them for few
        f"(SELECT i.{column} FROM aibridge_interceptions AS i WHERE {' AND '.join(every)} ORDER BY i.{column} LIMIT 1)"  # noqa: S608 - own names
        for every in ([f"i.{column} IS NOT NULL", *same], [*same, f"i.{column} > b.{column}"])
    )
    names = ", ".join(known)
    sql = f"""
        WITH RECURSIVE beginnings ({names}) AS (VALUES {", ".join([marks(len(known))] * len(beginnings))}),
        longer ({names}, {column}) AS (
            SELECT {names}, {first} FROM beginnings AS b
            UNION ALL SELECT {names}, {later} FROM longer AS b WHERE {column} IS NOT NULL)
        SELECT {", ".join([*known[1:], column])} FROM longer WHERE {column} IS NOT NULL LIMIT ?"""  # noqa: S608 - own names
    values = [value for beginning in beginnings for value in ("", *beginning)]
    return Query(sql, [*values, *wants, *wants, most])


def _parts(filter: Filter, after: Place | None) -> list[Query]:
    """So that an index has each of them in the order of time."""
    ids = filter.initiator_ids
    if filter.session_id is not None:
        part = _where(filter, after)
        return [_and(part, of_session, (filter.session_id,)) for of_session in _OF_SESSION]
    if ids is not None and len(ids) <= MOST_FACETS:  # a statement has room for 500 parts
        return [_where(replace(filter, initiator_ids=(id,)), after) for id in ids]
    return [_where(filter, after)]


def _and(part: Query, condition: str, values: Sequence[Any]) -> Query:
    return Query(f"{part.sql} AND {condition}", [*part.parameters, *values])


def _where(filter: Filter, after: Place | None) -> Query:
    """All but the session."""
    conditions = ["1 = 1"]
    parameters: list[Any] = []
    for column in _FACET:
        if (value := getattr(filter, column)) is not None:
            conditions.append(f"i.{column} || '' = ?")  # by no index: it would have to be sorted
            parameters.append(value)
    for limit, comparison in ((filter.started_after, ">="), (filter.started_before, "<=")):
        if limit is not None:
            conditions.append(f"i.started_at {comparison} ?")
            parameters.append(times.text(limit))
    if filter.initiator_ids is not None:
        ids = filter.initiator_ids
        # within a session by no index: the session's is mostly the shorter way
        column = "i.initiator_id" if filter.session_id is None else "i.initiator_id || ''"
        conditions.append(f"{column} IN {marks(len(ids))}" if ids else "1 = 0")
        parameters += ids
    if after is not None:
        conditions.append(f"(i.started_at, i.id) < {marks_of(after)}")
        parameters += after
    return Query(" AND ".join(conditions), parameters)
