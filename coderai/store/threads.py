"""Which interception another hangs below: the one whose answer called the tool whose result it carries."""

from collections.abc import Mapping, Sequence
from typing import Any

from coderai.records import Started, Thread, ToolCall
from coderai.store.driver import Connection

# Some models begin to count their calls anew with every answer: of so many of one name the newest are looked at, with
# the index alone, so that no request has to go through a year of them.
_NEWEST = 200
# Of the same user only: a tool call's id is no secret, and another's thread is not to be joined. Ids of interceptions
# rise with time, and nobody hangs below what began later.
_FIND = f"""
    SELECT i.id, coalesce(i.thread_root_id, i.id)
    FROM aibridge_tool_usages AS t JOIN aibridge_interceptions AS i ON i.id = t.interception_id
    WHERE t.provider_tool_call_id = ? AND t.interception_id < ? AND i.initiator_id = ?
        AND t.interception_id >= coalesce((
            SELECT interception_id FROM aibridge_tool_usages WHERE provider_tool_call_id = ?
            ORDER BY interception_id DESC LIMIT 1 OFFSET {_NEWEST - 1}), '')"""  # noqa: S608 - own number
_NEWEST_FIRST = " ORDER BY t.interception_id DESC LIMIT 1"
_IN_SESSION = _FIND + " AND coalesce(i.client_session_id, '') = ?" + _NEWEST_FIRST
_ANYWHERE = _FIND + _NEWEST_FIRST
# Not of one that is sealed: then its batch comes a second time.
_SET = """
    UPDATE aibridge_interceptions SET thread_parent_id = ?, thread_root_id = ? WHERE id = ? AND seal IS NULL"""


def find(db: Connection, started: Sequence[Any]) -> dict[str, Thread]:
    """By interception id."""
    threads = {}
    for record in started:
        if call_id := record.finding.correlating_tool_call_id:
            asked = (call_id, record.id, record.finding.initiator_id, call_id)
            # Two conversations may have calls of one name: the one that goes on is in its own session.
            found = db.execute(_IN_SESSION, (*asked, record.finding.client_session_id or "")).fetchone()
            found = found or db.execute(_ANYWHERE, asked).fetchone()
            if found:
                threads[record.id] = Thread(*found)
    return threads


def hang(db: Connection, interception_id: str, thread: Thread) -> None:
    db.execute(_SET, (thread.parent_id, thread.root_id, interception_id))


def called_in(kinds: Mapping[type, Sequence[Any]]) -> list[Any]:
    """The interceptions whose tool was called in this same batch: it is not in the database yet."""
    called = {record.finding.call_id for record in kinds.get(ToolCall, ())}
    return [record for record in kinds.get(Started, ()) if record.finding.correlating_tool_call_id in called]
