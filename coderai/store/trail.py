"""The audit trail read back: interceptions with all that was found in them, newest first.

The structs are the JSON of the audit API, field for field. A page is five questions however long it is, one for the
interceptions and one for each table below them, put at once and answered as of one moment; and up to four before them
where facets are filtered by.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from coderai.store.driver import Connection, Driver, Row, marks, texts
from coderai.store.selection import NEWEST_FIRST, Filter, Place, select

# Counting more would read the whole trail for a number that nobody reads to the last digit.
COUNT_LIMIT = 10_000
# Interceptions that one question asks for.
KNOWN_BATCH = 500


class TokenUsage(Struct, frozen=True):
    id: str
    interception_id: str
    provider_response_id: str
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_write_input_tokens: int
    metadata: Raw
    created_at: str


class ToolUsage(Struct, frozen=True):
    id: str
    interception_id: str
    provider_response_id: str
    provider_tool_call_id: str
    server_url: str
    tool: str
    input: str
    injected: bool
    invocation_error: str
    metadata: Raw
    created_at: str


class UserPrompt(Struct, frozen=True):
    id: str
    interception_id: str
    provider_response_id: str
    prompt: str
    metadata: Raw
    created_at: str


class ModelThought(Struct, frozen=True):
    id: str
    interception_id: str
    content: str
    metadata: Raw
    created_at: str


class Initiator(Struct, frozen=True):
    id: str
    username: str
    name: str = ""  # users have no second, longer name here, and no picture
    avatar_url: str = ""


class Interception(Struct, frozen=True):
    id: str
    api_key_id: str | None
    client: str
    client_session_id: str | None
    initiator: Initiator
    metadata: Raw
    model: str
    provider: str
    provider_name: str
    started_at: str
    ended_at: str | None
    status: int | None
    error_type: str | None
    error_message: str | None
    credential_kind: str
    credential_hint: str
    thread_parent_id: str | None
    thread_root_id: str | None
    token_usages: list[TokenUsage]
    tool_usages: list[ToolUsage]
    user_prompts: list[UserPrompt]
    model_thoughts: list[ModelThought]


_PAGE = """
    SELECT i.id, i.api_key_id, coalesce(i.client, 'Unknown'), i.client_session_id, i.initiator_id,
        coalesce(u.name, ''), i.metadata, i.model, i.provider, i.provider_name, i.started_at, i.ended_at,
        i.status, i.error_type, i.error_message, i.credential_kind, i.credential_hint, i.thread_parent_id,
        i.thread_root_id
    FROM aibridge_interceptions AS i LEFT JOIN users AS u ON u.id = i.initiator_id"""
_STARTED_AT = 10  # its place in _PAGE
# coalesce: Coder's API gives an empty text where its column is null.
_TOOL_COLUMNS = """id, interception_id, provider_response_id, coalesce(provider_tool_call_id, ''),
    coalesce(server_url, ''), tool, input, injected, coalesce(invocation_error, ''), metadata, created_at"""
# In the order of Interception's last fields.
_BELOW: tuple[tuple[str, type[Any], str], ...] = (
    ("aibridge_token_usages", TokenUsage, ", ".join(TokenUsage.__struct_fields__)),
    ("aibridge_tool_usages", ToolUsage, _TOOL_COLUMNS),
    ("aibridge_user_prompts", UserPrompt, ", ".join(UserPrompt.__struct_fields__)),
    ("aibridge_model_thoughts", ModelThought, ", ".join(ModelThought.__struct_fields__)),
)


class Trail:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count(self, filter: Filter) -> int:
        """How many there are, exact up to COUNT_LIMIT."""
        query = (await select(self._driver.report, filter)).any(COUNT_LIMIT)
        if query is None:
            return 0
        sql = f"SELECT count(*) FROM (SELECT 1 FROM ({query.sql}) AS parts LIMIT ?) AS found"  # noqa: S608 - selection.py
        return int((await self._driver.report(sql, (*query.parameters, COUNT_LIMIT)))[0][0])

    async def known(self, interception_ids: Iterable[str]) -> set[str]:
        """Those of these interceptions that are in it."""
        ids = list(interception_ids)
        known: set[str] = set()
        for some in (ids[start : start + KNOWN_BATCH] for start in range(0, len(ids), KNOWN_BATCH)):
            sql = f"SELECT id FROM aibridge_interceptions WHERE id IN {marks(len(some))}"  # noqa: S608 - question marks
            known.update(row[0] for row in await self._driver.report(sql, some))
        return known

    async def place(self, interception_id: str, initiator_ids: Sequence[str] | None) -> Place | None:
        """Where the list stands at this interception; None if it is not there, or not one of these users'."""
        sql = "SELECT started_at, id, initiator_id FROM aibridge_interceptions WHERE id = ?"
        for started_at, id, initiator_id in await self._driver.report(sql, (interception_id,)):
            if initiator_ids is None or initiator_id in initiator_ids:
                return started_at, id
        return None

    async def page(
        self, filter: Filter, *, limit: int, offset: int = 0, after: Place | None = None
    ) -> tuple[list[Interception], Place | None]:
        """Some of them, and the place of the last: as it stands in the database, which may not be as it is shown."""
        query = (await select(self._driver.report, filter, after)).newest(limit + offset)
        if query is None:
            return [], None
        ids_of = f"SELECT id FROM ({query.sql}) AS i {NEWEST_FIRST} LIMIT ? OFFSET ?"  # noqa: S608 - selection.py
        sql = f"{_PAGE} WHERE i.id IN ({ids_of}) {NEWEST_FIRST}"
        parameters = (*query.parameters, limit, offset)
        stored, below = await self._driver.snapshot(partial(_read, sql=sql, parameters=parameters))
        if not stored:
            return [], None
        children = [_children(kind, rows) for (_, kind, _), rows in zip(_BELOW, below, strict=True)]
        page = [_interception(row, [found.get(row[0], []) for found in children]) for row in texts(stored)]
        return page, (stored[-1][_STARTED_AT], stored[-1][0])


def _read(db: Connection, sql: str, parameters: Sequence[Any]) -> tuple[list[Row], list[list[Row]]]:
    """The interceptions that are asked for, and for each table the rows below them, all as of one moment."""
    stored = db.execute(sql, parameters).fetchall()
    ids = [row[0] for row in texts(stored)]
    below: list[list[Row]] = []
    for table, _, columns in _BELOW if ids else ():
        sql = f"SELECT {columns} FROM {table} WHERE interception_id IN {marks(len(ids))} ORDER BY id"  # noqa: S608 - as above
        below.append(db.execute(sql, ids).fetchall())
    return stored, below


def _children(kind: type[Any], rows: list[Row]) -> dict[str, list[Any]]:
    """The rows of one table, by interception."""
    found: dict[str, list[Any]] = {}
    for row in texts(rows):
        fields = dict(zip(kind.__struct_fields__, row, strict=True))
        fields["metadata"] = _raw(fields["metadata"])
        if kind is ToolUsage:
            fields["injected"] = bool(fields["injected"])  # SQLite has no booleans
        found.setdefault(fields["interception_id"], []).append(kind(**fields))
    return found


def _interception(row: Row, below: list[list[Any]]) -> Interception:
    values = [*row[:4], Initiator(row[4], row[5]), _raw(row[6]), *row[7:], *below]
    return Interception(*values)


def _raw(metadata: str | None) -> Raw:
    """One that is no JSON, which others have written, is shown as the text that it is: it must not spoil the page."""
    raw = (metadata or "{}").encode()
    try:
        return msgspec.json.decode(raw, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return msgspec.Raw(msgspec.json.encode(metadata))
