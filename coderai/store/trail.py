"""The audit trail read back: interceptions with all that was found in them, newest first.

The structs are the JSON of the audit API, field for field. A page is five questions however long it is: one
for the interceptions, one for each table below them.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from coderai.store import times
from coderai.store.driver import Driver, Row
from coderai.store.people import marks

# Counting more would read the whole trail for a number that nobody reads to the last digit.
COUNT_LIMIT = 10_000


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
_NEWEST_FIRST = " ORDER BY i.started_at DESC, i.id DESC LIMIT ? OFFSET ?"
# coalesce: Coder's API gives an empty text where its column is null.
_TOOL_COLUMNS = """id, interception_id, provider_response_id, coalesce(provider_tool_call_id, ''),
    coalesce(server_url, ''), tool, input, injected, coalesce(invocation_error, ''), metadata, created_at"""


class Trail:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count(self, filter: Filter) -> int:
        """How many there are, exact up to COUNT_LIMIT."""
        where, parameters = _where(filter)
        some = f"SELECT 1 FROM aibridge_interceptions AS i{where} LIMIT ?"  # noqa: S608 - see _where
        sql = f"SELECT count(*) FROM ({some}) AS found"  # noqa: S608
        rows = await self._driver.report(sql, (*parameters, COUNT_LIMIT))
        return int(rows[0][0])

    async def place(self, interception_id: str, filter: Filter) -> tuple[str, str] | None:
        """Where the list stands at this interception; None if it is not among those of the filter."""
        where, parameters = _where(filter)
        sql = f"SELECT i.started_at, i.id FROM aibridge_interceptions AS i{where} AND i.id = ?"  # noqa: S608
        rows = await self._driver.report(sql, (*parameters, interception_id))
        return (rows[0][0], rows[0][1]) if rows else None

    async def page(
        self, filter: Filter, *, limit: int, offset: int = 0, after: tuple[str, str] | None = None
    ) -> list[Interception]:
        where, parameters = _where(filter, after)
        rows = await self._driver.report(_PAGE + where + _NEWEST_FIRST, (*parameters, limit, offset))
        ids = [row[0] for row in rows]
        if not ids:
            return []
        tokens = await self._below("aibridge_token_usages", TokenUsage, ids)
        tools = await self._below("aibridge_tool_usages", ToolUsage, ids, _TOOL_COLUMNS)
        prompts = await self._below("aibridge_user_prompts", UserPrompt, ids)
        thoughts = await self._below("aibridge_model_thoughts", ModelThought, ids)
        below = (tokens, tools, prompts, thoughts)
        return [_interception(row, [children.get(row[0], []) for children in below]) for row in rows]

    async def _below(
        self, table: str, kind: type[Any], ids: Sequence[str], columns: str | None = None
    ) -> dict[str, list[Any]]:
        """The rows of one table, by interception."""
        names = kind.__struct_fields__
        select = f"SELECT {columns or ', '.join(names)} FROM {table}"  # noqa: S608 - names of this file
        rows = await self._driver.report(f"{select} WHERE interception_id IN {marks(len(ids))} ORDER BY id", ids)
        found: dict[str, list[Any]] = {}
        for row in rows:
            fields = dict(zip(names, row, strict=True))
            fields["metadata"] = _raw(fields["metadata"])
            if kind is ToolUsage:
                fields["injected"] = bool(fields["injected"])  # SQLite has no booleans
            found.setdefault(fields["interception_id"], []).append(kind(**fields))
        return found


def _where(filter: Filter, after: tuple[str, str] | None = None) -> tuple[str, list[Any]]:
    conditions = ["1 = 1"]
    parameters: list[Any] = []
    for column in ("provider", "provider_name", "model", "client"):
        if (value := getattr(filter, column)) is not None:
            conditions.append(f"i.{column} = ?")
            parameters.append(value)
    if filter.session_id is not None:
        # as the index has it, see migrations.py
        conditions.append("(i.id = ? AND i.session_id = i.id OR i.session_id = ? AND i.session_id <> i.id)")
        parameters += (filter.session_id, filter.session_id)
    for limit, comparison in ((filter.started_after, ">="), (filter.started_before, "<=")):
        if limit is not None:
            conditions.append(f"i.started_at {comparison} ?")
            parameters.append(times.text(limit))
    if filter.initiator_ids is not None:
        ids = filter.initiator_ids
        conditions.append(f"i.initiator_id IN {marks(len(ids))}" if ids else "1 = 0")
        parameters += ids
    if after is not None:
        conditions.append("(i.started_at, i.id) < (?, ?)")
        parameters += after
    return f" WHERE {' AND '.join(conditions)}", parameters


def _interception(row: Row, below: list[list[Any]]) -> Interception:
    values = [*row[:4], Initiator(row[4], row[5]), _raw(row[6]), *row[7:], *below]
    return Interception(*values)


def _raw(metadata: str | None) -> Raw:
    return msgspec.Raw((metadata or "{}").encode())
