"""What one write transaction does with a batch of records.

Rows go in by kind, because one prepared statement over many rows is the cheapest thing that a database does:
some 10 us a record in batches of a hundred. An interception that carries a tool's result is hung below the
one whose answer called the tool, found in the same transaction.
"""

from collections.abc import Sequence
from typing import Any

from coderai.records import Record, Started, Thread, ToolCall
from coderai.store import times
from coderai.store.driver import Connection, Row
from coderai.store.rows import INSERT_INTERCEPTION, STATEMENTS, interception

# Of the same user only: a tool call's id is no secret, and another's thread is not to be joined.
_FIND_THREAD = """
    SELECT t.created_at, t.id, i.id, coalesce(i.thread_root_id, i.id)
    FROM aibridge_tool_usages AS t JOIN aibridge_interceptions AS i ON i.id = t.interception_id
    WHERE t.provider_tool_call_id = ? AND i.initiator_id = ? AND i.id <> ?"""
_SET_THREAD = "UPDATE aibridge_interceptions SET thread_parent_id = ?, thread_root_id = ? WHERE id = ?"

_SUBSTITUTE = """
    INSERT INTO aibridge_interceptions (id, initiator_id, api_key_id, provider, provider_name, model,
        started_at, error_type, error_message)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
_MARK = "UPDATE aibridge_interceptions SET error_type = ?, error_message = ? WHERE id = ?"
UNSTORABLE = "unstorable_record"
# Of a value that the database refused, as much as shows what it was.
_SHOWN_CHARACTERS = 200


def insert(db: Connection, batch: Sequence[Record]) -> dict[str, Thread]:
    """All these records; returns the threads found, by interception id."""
    kinds: dict[type, list[Any]] = {}
    for record in batch:
        kinds.setdefault(type(record.finding), []).append(record)
    started = kinds.get(Started, [])
    # A tool called in this same batch is not in the database yet.
    called = {record.finding.call_id for record in kinds.get(ToolCall, ())}
    later = [record for record in started if record.finding.correlating_tool_call_id in called]
    threads = _threads(db, [record for record in started if record not in later] if later else started)
    if started:
        db.executemany(INSERT_INTERCEPTION, _interceptions(started, threads))
    for kind, statement, row in STATEMENTS:
        if records := kinds.get(kind):
            db.executemany(statement, [row(record, record.finding) for record in records])
    for record in later:  # one after another: the thread of one may be the root of the next
        found = _threads(db, [record])
        for thread in found.values():
            db.execute(_SET_THREAD, (thread.parent_id, thread.root_id, record.id))
        threads |= found
    return threads


def substitute(db: Connection, record: Record, reason: str) -> None:
    """Store, in place of a record that the database does not take, that there was one, and why it is
    missing.
    """
    finding = record.finding
    message = _shown(f"a {type(finding).__name__} record could not be stored: {reason}")
    if isinstance(finding, Started):
        values = (
            finding.initiator_id,
            finding.api_key_id,
            finding.provider,
            finding.provider_name,
            finding.model,
        )
        row = (record.id, *map(_shown, values), times.text(record.at), UNSTORABLE, message)
        db.execute(_SUBSTITUTE, row)
    else:
        db.execute(_MARK, (UNSTORABLE, message, record.interception_id))


def _threads(db: Connection, started: Sequence[Any]) -> dict[str, Thread]:
    threads = {}
    for record in started:
        if call_id := record.finding.correlating_tool_call_id:
            found = db.execute(_FIND_THREAD, (call_id, record.finding.initiator_id, record.id)).fetchall()
            if found:
                # The newest; nearly always there is one, and ORDER BY would sort at 4 us a time.
                _, _, parent_id, root_id = max(found)
                threads[record.id] = Thread(parent_id, root_id)
    return threads


def _interceptions(started: Sequence[Any], threads: dict[str, Thread]) -> list[Row]:
    return [interception(record, record.finding, threads.get(record.id)) for record in started]


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:_SHOWN_CHARACTERS] if isinstance(value, str) else ascii(value)[:_SHOWN_CHARACTERS]
