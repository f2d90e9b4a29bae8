"""Which interception another hangs below: the one whose answer called the tool whose result it carries."""

from collections.abc import Mapping, Sequence
from typing import Any

from coderai.records import Started, Thread, ToolCall
from coderai.store.driver import Connection

# Of the same user only: a tool call's id is no secret, and another's thread is not to be joined.
_FIND = """
    SELECT t.created_at, t.id, i.id, coalesce(i.thread_root_id, i.id)
    FROM aibridge_tool_usages AS t JOIN aibridge_interceptions AS i ON i.id = t.interception_id
    WHERE t.provider_tool_call_id = ? AND i.initiator_id = ? AND i.id <> ?"""
_SET = "UPDATE aibridge_interceptions SET thread_parent_id = ?, thread_root_id = ? WHERE id = ?"


def find(db: Connection, started: Sequence[Any]) -> dict[str, Thread]:
    """By interception id."""
    threads = {}
    for record in started:
        if call_id := record.finding.correlating_tool_call_id:
            found = db.execute(_FIND, (call_id, record.finding.initiator_id, record.id)).fetchall()
            if found:
                # The newest; nearly always there is one, and ORDER BY would sort at 4 us a time.
                _, _, parent_id, root_id = max(found)
                threads[record.id] = Thread(parent_id, root_id)
    return threads


def hang(db: Connection, interception_id: str, thread: Thread) -> None:
    db.execute(_SET, (thread.parent_id, thread.root_id, interception_id))


def called_in(kinds: Mapping[type, Sequence[Any]]) -> list[Any]:
    """The interceptions whose tool was called in this same batch: it is not in the database yet."""
    called = {record.finding.call_id for record in kinds.get(ToolCall, ())}
    return [record for record in kinds.get(Started, ()) if record.finding.correlating_tool_call_id in called]
