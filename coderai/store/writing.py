"""What one write transaction does with a batch of records.

Rows go in by kind, because one prepared statement over many rows is the cheapest thing that a database does:
some 10 us a record in batches of a hundred. An interception that carries a tool's result is hung below the
one whose answer called the tool, found in the same transaction.

What was written of an interception is kept in memory until it ends, so that it can be sealed without being read
again. Where memory may not be what the database holds (after a failed commit, for an interception of another
process), `carefully` asks the database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from coderai.records import AnsweredPrompt, Ended, Prompt, Record, Started, Thought, Thread, Tokens, ToolCall
from coderai.store import ending, rows, seals
from coderai.store.driver import BadData, Connection, Row
from coderai.store.seals import Head

# Of the same user only: a tool call's id is no secret, and another's thread is not to be joined.
_FIND_THREAD = """
    SELECT t.created_at, t.id, i.id, coalesce(i.thread_root_id, i.id)
    FROM aibridge_tool_usages AS t JOIN aibridge_interceptions AS i ON i.id = t.interception_id
    WHERE t.provider_tool_call_id = ? AND i.initiator_id = ? AND i.id <> ?"""
_SET_THREAD = "UPDATE aibridge_interceptions SET thread_parent_id = ?, thread_root_id = ? WHERE id = ?"

# What was written of one interception, by the kind of the finding: lines to be sealed, or what gives them.
Written = dict[type, tuple[Any, ...]]


class NotAsWritten(Exception):
    """The database does not hold what memory says: the batch has to be written carefully."""


class Outcome(Struct):
    """What holds once the transaction is committed."""

    threads: dict[str, Thread]
    head: Head
    open: dict[str, Written]
    ended: list[str]


class Writing:
    """The state of one process's writing: its interceptions that have not ended, and its chain of seals."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.head = Head()
        self._open: dict[str, Written] = {}

    def insert(self, db: Connection, batch: Sequence[Record]) -> Outcome:
        """All these records. Raises NotAsWritten."""
        return self._insert(db, batch, careful=False)

    def carefully(self, db: Connection, batch: Sequence[Record]) -> Outcome:
        """The same, whatever is in the database already."""
        return self._insert(db, batch, careful=True)

    def committed(self, outcome: Outcome) -> None:
        self.head = outcome.head
        self._open |= outcome.open
        for interception_id in outcome.ended:
            self._open.pop(interception_id, None)

    def _insert(self, db: Connection, batch: Sequence[Record], *, careful: bool) -> Outcome:
        kinds: dict[type, list[Any]] = {}
        for record in batch:
            kinds.setdefault(type(record.finding), []).append(record)
        written: dict[str, Written] = {}
        threads = self._start(db, kinds, written)
        for kind, statement, row in rows.STATEMENTS:
            if records := kinds.get(kind):
                values = [row(record, record.finding) for record in records]
                db.executemany(statement, values)
                if kind in _NOTED:
                    self._note(kind, values, written)
        _hang_later(db, kinds, threads, written)
        ended = kinds.get(Ended, [])
        ids = [record.interception_id for record in ended]
        if careful:
            head = ending.carefully(db, self.instance_id, ended)
            return Outcome(threads, head or self.head, {}, [*ids, *written])
        head = self._end(db, ended, written) if ended else self.head
        return Outcome(threads, head, written, ids)

    def _start(
        self, db: Connection, kinds: Mapping[type, Sequence[Any]], written: dict[str, Written]
    ) -> dict[str, Thread]:
        started = kinds.get(Started)
        if not started:
            return {}
        later = _later(kinds)
        threads = _threads(db, [record for record in started if record not in later] if later else started)
        values = [rows.interception(record, record.finding, threads.get(record.id)) for record in started]
        db.executemany(rows.INSERT_INTERCEPTION, [(*row, self.instance_id) for row in values])
        for row in values:
            written[row[0]] = {Started: (row[seals.STARTED_AT], _line(row))}
        return threads

    def _note(self, kind: type, values: Sequence[Row], written: dict[str, Written]) -> None:
        """Keeps the rows with their interception's, as they are sealed."""
        for row in values:
            known = self._touch(row[1], written)
            if known is None:
                continue
            if kind is AnsweredPrompt:
                message_id, _, prompt_id = row
                prompts = known.get(Prompt, ())
                known[Prompt] = tuple((*p[:-1], message_id) if p[0] == prompt_id else p for p in prompts)
            else:
                known[kind] = (*known.get(kind, ()), _SEALED[kind](row))

    def _touch(self, interception_id: str, written: dict[str, Written]) -> Written | None:
        """What is known of it, as a copy: the transaction may fail. None: it was not begun by this process."""
        known = written.get(interception_id)
        if known is None and (before := self._open.get(interception_id)) is not None:
            known = written[interception_id] = before.copy()
        return known

    def _end(self, db: Connection, ended: Sequence[Any], written: dict[str, Written]) -> Head:
        head = self.head
        ends = []
        for record in ended:
            known = self._touch(record.interception_id, written)
            if known is None or record.finding.credential_hint is not None:  # which changes the interception's row
                raise NotAsWritten
            started_at, interception = known[Started]
            end = rows.end(record, record.finding)
            digests = seals.digests(
                interception,
                _line(end),
                tokens=known.get(Tokens, ()),
                tools=known.get(ToolCall, ()),
                prompts=known.get(Prompt, ()),
                thoughts=known.get(Thought, ()),
            )
            head = seals.seal(head, self.instance_id, record.interception_id, started_at, digests)
            ends.append((*end, head.number, *digests, head.seal, record.interception_id, self.instance_id))
        if db.executemany(rows.END, ends).rowcount != len(ends):
            raise NotAsWritten
        ending.move_head(db, self.instance_id, head)
        return head


def _line(row: Row) -> bytes:
    """Raises BadData for a text with a NUL, which not every database takes."""
    line = seals.line(row)
    if b"\\u0000" in line:
        _refuse_nul(row)
    return line


def _refuse_nul(row: Row) -> None:
    if any(isinstance(value, str) and "\0" in value for value in row):
        raise BadData("a text with a NUL")


def _prompt(row: Row) -> Row:
    """Not a line yet: it changes when its answer is known."""
    _refuse_nul(row)
    return (*row, "")


def _tool(row: Row) -> seals.Tool:
    _refuse_nul(row)
    return seals.Tool.of(row)


# What is kept of a row until it is sealed.
_SEALED: Mapping[type, Any] = {Prompt: _prompt, Tokens: _line, ToolCall: _tool, Thought: _line}
_NOTED = frozenset((*_SEALED, AnsweredPrompt))


def _later(kinds: Mapping[type, Sequence[Any]]) -> list[Any]:
    """The interceptions whose tool was called in this same batch: it is not in the database yet."""
    called = {record.finding.call_id for record in kinds.get(ToolCall, ())}
    return [record for record in kinds.get(Started, ()) if record.finding.correlating_tool_call_id in called]


def _hang_later(
    db: Connection, kinds: Mapping[type, Sequence[Any]], threads: dict[str, Thread], written: dict[str, Written]
) -> None:
    for record in _later(kinds):  # one after another: the thread of one may be the root of the next
        for thread in _threads(db, [record]).values():
            db.execute(_SET_THREAD, (thread.parent_id, thread.root_id, record.id))
            threads[record.id] = thread
            row = rows.interception(record, record.finding, thread)
            written[record.id][Started] = (row[seals.STARTED_AT], _line(row))


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
