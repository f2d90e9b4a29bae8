"""`GET /interceptions`: the audit trail, newest first. Owners and auditors see all, members their own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from coderai.api import search
from coderai.api.answers import Refused, Validation
from coderai.auth import MYSELF, NAME_CHARACTERS, User
from coderai.store import Store
from coderai.store.selection import Filter, Place
from coderai.store.trail import Interception

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1
# Interceptions read and encoded in one go, half a millisecond of the event loop, so that answers being relayed do not
# stand still.
SLICE = 25
# Beyond so many bytes of the last one, a slice holds fewer.
SLICE_BYTES = 4 * 1024 * 1024
# What is sent at a time: a page of a hundred short ones is less.
PIECE_BYTES = 256 * 1024
# Characters whose encoding takes longer than the hop to a thread and back.
LARGE = 128 * 1024

_BAD_PARAMETERS = "Query parameters have invalid values."
_BAD_SEARCH = "Invalid session search query."
_encode = msgspec.json.Encoder().encode


class Page(Struct, frozen=True):
    limit: int
    offset: int
    after_id: str | None


async def interceptions(store: Store, user: User, parameters: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The answer's body in pieces. Raises Refused before the first, StoreUnavailable."""
    page = _page(parameters)
    filter = await _filter(store, user, parameters.get("q", ""))
    after = None
    if page.after_id is not None:
        # Looked for among the caller's own, so that nobody learns which ids there are.
        after = await store.trail.place(page.after_id, _visible(user))
        if after is None:
            raise Refused(
                400,
                "Query parameter has invalid value.",
                f'after_id: interception "{page.after_id}" not found',
            )
    parts, size = [b'{"count":%d,"results":[' % await store.trail.count(filter)], 0
    async for interception in _encoded(store, filter, page, after):
        parts.append(interception)
        size += len(interception)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
            await asyncio.sleep(0)  # a fast client's socket takes all at once, and others have their turn
    yield b"".join((*parts, b"]}\n"))


async def _encoded(store: Store, filter: Filter, page: Page, after: Place | None) -> AsyncIterator[bytes]:
    """The page's interceptions, with a comma before each but the first."""
    left, offset, slice, comma = page.limit, page.offset, SLICE, b""
    while left > 0:
        asked, size = min(left, slice), 0
        found, after = await store.trail.page(filter, limit=asked, offset=offset, after=after)
        for interception in found:
            large = _text_length(interception) > LARGE
            encoded = await asyncio.to_thread(_encode, interception) if large else _encode(interception)
            yield comma + encoded
            size, comma = size + len(encoded), b","
        if len(found) < asked:
            return
        left, offset = left - asked, 0
        slice = max(1, min(SLICE, 2 * asked, asked * SLICE_BYTES // size))


def _text_length(interception: Interception) -> int:
    prompts = sum(len(prompt.prompt) for prompt in interception.user_prompts)
    inputs = sum(len(tool.input) for tool in interception.tool_usages)
    return prompts + inputs + sum(len(thought.content) for thought in interception.model_thoughts)


def _page(parameters: Mapping[str, str]) -> Page:
    problems: list[Validation] = []
    limit = _number(parameters, "limit", DEFAULT_LIMIT, problems)
    offset = _number(parameters, "offset", 0, problems)
    after_id = None
    if given := parameters.get("after_id"):
        try:
            after_id = str(UUID(given))
        except ValueError:
            problems.append(Validation("after_id", f'Query param "after_id" must be a valid uuid, not "{given}"'))
    # Ignored, as other parameters are, it would look as if it had selected what is shown.
    problems += [Validation(key, f'"{key}" is a term of q: q={key}:…') for key in search.KEYS if key in parameters]
    if problems:
        raise Refused(400, _BAD_PARAMETERS, validations=problems)
    if not 0 < limit <= MAX_LIMIT:
        raise Refused(400, "Invalid pagination limit value.", f"Pagination limit must be in range (0, {MAX_LIMIT}]")
    if after_id and offset:
        raise Refused(400, _BAD_PARAMETERS, "Cannot use both after_id and offset pagination in the same request.")
    return Page(limit, offset, after_id)


def _number(parameters: Mapping[str, str], name: str, default: int, problems: list[Validation]) -> int:
    text = parameters.get(name) or str(default)
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_OFFSET:
        return int(text)
    problems.append(Validation(name, f'Query param "{name}" must be a positive integer, not "{text}"'))
    return default


def _visible(user: User) -> tuple[str, ...] | None:
    return None if user.role in ("owner", "auditor") else (user.id,)


async def _filter(store: Store, user: User, query: str) -> Filter:
    try:
        found: dict[str, Any] = search.terms(query)
        found |= search.started(found)
        name = found.pop("initiator", None)
        ids = _visible(user) if name is None else await _initiators(store, user, name)
    except search.BadSearch as error:
        raise Refused(400, _BAD_SEARCH, validations=error.problems) from error
    return Filter(initiator_ids=ids, **found)


async def _initiators(store: Store, user: User, name: str) -> tuple[str, ...]:
    """The ids that an id, a name or `me` stands for."""
    if name == MYSELF:
        return (user.id,)
    if _visible(user):
        if name.lower() in (user.name.lower(), user.id):
            return (user.id,)
        raise Refused(403, "Forbidden.", "Members see their own interceptions only: leave initiator out.")
    if len(name) > NAME_CHARACTERS:  # so no name is taken for an id
        with suppress(ValueError):
            return (str(UUID(name)),)
    ids = await store.people.ids_of(name)
    if not ids:
        raise search.BadSearch([Validation("initiator", f'there is no user "{name}"')])
    return tuple(ids)
