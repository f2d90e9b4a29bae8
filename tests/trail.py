"""Records of one exchange, and databases that hold some."""

import time
from typing import Any

from coderai.records import (
    AnsweredPrompt,
    Ended,
    Prompt,
    ProviderObject,
    Record,
    Started,
    Thought,
    Tokens,
    ToolCall,
    new_id,
)
from coderai.store import Store
from coderai.store.selection import Filter
from coderai.store.trail import Interception
from tests.databases import Place, opened

AT = 1_770_000_000_123_456  # 2026-02-02T02:40:00.123456Z


def started(at: int = AT, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "initiator_id": "user-1",
        "api_key_id": "abcdefghij",
        "provider": "openai",
        "provider_name": "openai",
        "model": "gpt-5",
        "client": "Codex",
        "metadata": {"request_user_agent": "codex_cli_rs/0.1"},
    }
    interception_id = new_id()
    return Record(interception_id, interception_id, at, Started(**{**values, **changes}))


def found(start: Record, finding: Any, at: int | None = None) -> Record:
    return Record(new_id(), start.id, start.at if at is None else at, finding)


def ended(start: Record, **changes: Any) -> Record:
    return Record(start.id, start.id, start.at + 1_000_000, Ended(**{"status": 200, **changes}))


def exchange(at: int = AT, call_id: str = "call_1", **changes: Any) -> list[Record]:
    """One of each kind."""
    start = started(at, **changes)
    prompt = found(start, Prompt("fix the bug", {"images": 1}))
    return [
        start,
        prompt,
        found(start, Tokens(message_id="resp_1", input=5, output=7, cache_read=3, metadata={"total_tokens": 15})),
        found(start, ToolCall(message_id="resp_1", call_id=call_id, tool="shell", input='{"command": "ls"}')),
        found(start, Thought("I should look", {"source": "reasoning_summary"})),
        found(start, ProviderObject(f"resp_{start.id}", "openai", start.finding.initiator_id)),
        Record(prompt.id, start.id, at, AnsweredPrompt(prompt.finding, "resp_1")),
        ended(start),
    ]


def now() -> int:
    return time.time_ns() // 1000


async def fill(place: Place, interceptions: int = 3) -> None:
    """A new database with a user and a token, so many interceptions, one more that is under way, and one purged."""
    store = await opened(place)
    user = await store.people.create_user("alice", "alice@example.com", "member")
    await store.people.create_token("abcdefghij", user.id, "laptop", "0" * 64, None)
    old = exchange(AT - 10**9, call_id="old")
    await store.write(old)
    for n in range(interceptions):
        await store.write(exchange(AT + n, call_id=f"call_{n}", initiator_id=user.id))
    await store.write([started(now(), correlating_tool_call_id="call_1")])
    await store.purge.contents(AT)
    await store.purge.batch(AT)
    await store.close()


async def listed(store: Store, filter: Filter, **where: Any) -> list[Interception]:
    return (await store.trail.page(filter, **where))[0]
