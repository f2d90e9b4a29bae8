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
from coderai.store import ending, rows, seals, threads
from coderai.store.driver import BadData, Connection, Row
from coderai.store.seals import Head

Kinds = Mapping[type, list[Any]]
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
        ended = kinds.get(Ended, [])
        ids = [record.interception_id for record in ended]
        later = threads.called_in(kinds)
        found, begun = self._begun(db, kinds, later, written)
        children = self._children(kinds, written, careful=careful)
        head, ends = (self.head, {}) if careful or later else self._sealed(ended, written)
        self._start(db, begun, ends)
        for statement, values in children:
            db.executemany(statement, values)
        if later:
            found |= self._hang(db, later, written)
        if careful:
            return Outcome(found, ending.carefully(db, self.instance_id, ended) or self.head, {}, [*ids, *written])
        if later:
            head, ends = self._sealed(ended, written)
        if ends and db.executemany(
            rows.END, [(*end, id, self.instance_id) for id, end in ends.items()]
        ).rowcount != len(ends):
            raise NotAsWritten
        if ended:
            ending.move_head(db, self.instance_id, head)
        return Outcome(found, head, written, ids)

    def _begun(
        self, db: Connection, kinds: Kinds, later: Sequence[Any], written: dict[str, Written]
    ) -> tuple[dict[str, Thread], list[Row]]:
        """The threads of the interceptions that begin, and their rows."""
        started = kinds.get(Started, ())
        found = threads.find(db, [record for record in started if record not in later] if later else started)
        begun = [rows.interception(record, record.finding, found.get(record.id)) for record in started]
        for row in begun:
            written[row[0]] = {Started: (row[seals.STARTED_AT], _line(row))}
        return found, begun

    def _start(self, db: Connection, begun: Sequence[Row], ends: dict[str, Row]) -> None:
        """Inserts them; those that have ended in the same batch with their end, which is taken out of `ends`."""
        plain = [(*row, self.instance_id) for row in begun if row[0] not in ends]
        if plain:
            db.executemany(rows.INSERT_INTERCEPTION, plain)
        if len(plain) < len(begun):
            whole = [(*row, self.instance_id, *ends.pop(row[0])) for row in begun if row[0] in ends]
            if db.executemany(rows.INSERT_ENDED, whole).rowcount != len(whole):
                raise NotAsWritten

    def _children(self, kinds: Kinds, written: dict[str, Written], *, careful: bool) -> list[tuple[str, Sequence[Row]]]:
        """Statements with the rows of everything below an interception, in the order in which they are run."""
        children: list[tuple[str, Sequence[Row]]] = []
        prompts: list[Row] = []
        for kind, statement, row in rows.STATEMENTS:
            if records := kinds.get(kind):
                values = [row(record, record.finding) for record in records]
                if kind in _NOTED:
                    self._note(kind, values, written)
                if kind is Prompt:
                    prompts = values
                children.append((statement, values))
        if prompts and AnsweredPrompt in kinds and not careful:
            return _with_answers(children, prompts, written)
        return children

    def _hang(self, db: Connection, later: Sequence[Any], written: dict[str, Written]) -> dict[str, Thread]:
        """The threads of interceptions whose tool was called in this same batch."""
        found = {}
        for record in later:  # one after another: the thread of one may be the root of the next
            for thread in threads.find(db, [record]).values():
                threads.hang(db, record.id, thread)
                found[record.id] = thread
                row = rows.interception(record, record.finding, thread)
                written[record.id][Started] = (row[seals.STARTED_AT], _line(row))
        return found

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

    def _sealed(self, ended: Sequence[Any], written: dict[str, Written]) -> tuple[Head, dict[str, Row]]:
        """The new end of the chain, and of each interception the columns of its end and its seal."""
        head = self.head
        ends: dict[str, Row] = {}
        for record in ended:
            known = self._touch(record.interception_id, written)
            if known is None or record.finding.credential_hint is not None or record.interception_id in ends:
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
            ends[record.interception_id] = (*end, head.number, *digests, head.seal)
        return head, ends


def _with_answers(
    children: list[tuple[str, Sequence[Row]]], prompts: Sequence[Row], written: dict[str, Written]
) -> list[tuple[str, Sequence[Row]]]:
    """Prompts that were answered in the same batch are inserted with their answer, not updated behind."""
    inserted = {(row[0], row[1]) for row in prompts}
    known = (prompt for _, interception_id in inserted for prompt in written.get(interception_id, {}).get(Prompt, ()))
    answered = {(row[0], row[1]): row for row in known if (row[0], row[1]) in inserted}
    merged: list[tuple[str, Sequence[Row]]] = []
    for statement, values in children:
        if statement is rows.INSERT_PROMPT:
            values = [answered.get((row[0], row[1]), row) for row in values]
        elif statement is rows.ANSWER_PROMPT:
            values = [row for row in values if (row[2], row[1]) not in answered]
        if values:
            merged.append((statement, values))
    return merged


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
    return row


def _tool(row: Row) -> seals.Tool:
    _refuse_nul(row)
    return seals.Tool.of(row)


# What is kept of a row until it is sealed.
_SEALED: Mapping[type, Any] = {Prompt: _prompt, Tokens: _line, ToolCall: _tool, Thought: _line}
_NOTED = frozenset((*_SEALED, AnsweredPrompt))
