"""What one write transaction does with a batch of records.

Rows go in by kind, because one prepared statement over many rows is the cheapest thing that a database does:
some 10 us a record in batches of a hundred. An interception that carries a tool's result is hung below the
one whose answer called the tool, found in the same transaction.

What was written of an interception is kept in memory until it ends, so that it can be sealed without being read
again. Where memory may not be what the database holds (after a failed commit, for an interception of another
process, for one that is stored long after it began), `carefully` asks the database.

    began and ended in this batch    inserted whole, with its end and its seal (`_start`)
    began in an earlier one          its end and its seal are put into its row (`_end`)
    goes on from one of this batch   its thread is found when that one's calls are there (`_hang`); then all are sealed
    memory knows nothing of it       NotAsWritten; all of the batch goes in `carefully`
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from coderai.records import AnsweredPrompt, Ended, Prompt, Record, Started, Thread
from coderai.store import ending, rows, seals, threads
from coderai.store.children import CHILDREN
from coderai.store.driver import Connection, Row
from coderai.store.purge import late_contents
from coderai.store.seals import ChainHead, Rows

Kinds = Mapping[type, list[Any]]
# Where the rows of a kind are kept until they are sealed.
_KEPT: Mapping[type, str] = {child.finding: child.kept for child in CHILDREN}


class NotAsWritten(Exception):
    """The database does not hold what memory says: the batch has to be written carefully."""


class Outcome(Struct):
    """What holds once the transaction is committed."""

    threads: dict[str, Thread]
    head: ChainHead
    closed: Sequence[str]  # interceptions of which what is in memory is of no more use, or may be wrong


class Writing:
    """The state of one process's writing: its interceptions that have not ended, and its chain of seals."""

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id
        self.head = ChainHead()
        self._open: dict[str, Rows] = {}

    def insert(self, db: Connection, batch: Sequence[Record]) -> Outcome:
        """All these records, sealed from memory. Raises NotAsWritten."""
        kinds = _by_kind(batch)
        ended = kinds.get(Ended, [])
        later = threads.called_in(kinds)
        found, begun = self._begun(db, kinds, later)
        children = self._children(kinds, careful=False)
        # What is hung below another is sealed with that.
        head, ends = (self.head, {}) if later else self._sealed(ended)
        self._start(db, begun, ends)
        _run(db, children)
        if later:
            found |= self._hang(db, later)
            head, ends = self._sealed(ended)
        if ends:
            self._end(db, ends)
        if ended:
            ending.move_head(db, self.instance_id, head)
        return Outcome(found, head, [record.interception_id for record in ended])

    def carefully(self, db: Connection, batch: Sequence[Record]) -> Outcome:
        """The same, whatever is in the database already: ends are sealed from that."""
        kinds = _by_kind(batch)
        later = threads.called_in(kinds)
        found, begun = self._begun(db, kinds, later)
        children = self._children(kinds, careful=True)
        self._start(db, begun, {})
        _run(db, children)
        found |= self._hang(db, later)
        head = ending.carefully(db, self.instance_id, kinds.get(Ended, []), self.head) or self.head
        ids = list(dict.fromkeys(record.interception_id for record in batch))
        late_contents(db, ids)
        return Outcome(found, head, ids)

    def committed(self, outcome: Outcome) -> None:
        self.head = outcome.head
        self._forget(outcome.closed)

    def failed(self, batch: Sequence[Record]) -> None:
        """Nothing is known any more of the interceptions in it."""
        self._forget([record.interception_id for record in batch])

    def _forget(self, ids: Sequence[str]) -> None:
        for interception_id in ids:
            self._open.pop(interception_id, None)

    def _begun(self, db: Connection, kinds: Kinds, later: Sequence[Any]) -> tuple[dict[str, Thread], list[Row]]:
        """The threads of the interceptions that begin, and their rows. later: their threads are found by `_hang`."""
        started = kinds.get(Started, ())
        last = {record.id for record in later}
        found = threads.find(db, [record for record in started if record.id not in last] if last else started)
        begun = [rows.interception(record, record.finding, found.get(record.id)) for record in started]
        for row in begun:
            self._open[row[0]] = Rows(row)
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

    def _end(self, db: Connection, ends: Mapping[str, Row]) -> None:
        """Ends those that began in an earlier batch."""
        values = [(*end, id, self.instance_id) for id, end in ends.items()]
        if db.executemany(rows.END, values).rowcount != len(values):
            raise NotAsWritten

    def _children(self, kinds: Kinds, *, careful: bool) -> list[tuple[str, Sequence[Row]]]:
        """Statements with the rows of everything below an interception, in the order in which they are run."""
        # Prompts that are answered in the same batch are inserted with their answer, not updated behind.
        answers = {} if careful else {(r.id, r.interception_id): r for r in kinds.get(AnsweredPrompt, ())}
        children: list[tuple[str, Sequence[Row]]] = []
        for kind, statement, row in rows.STATEMENTS:
            records = kinds.get(kind)
            if not records:
                continue
            if kind is Prompt and answers:
                values = [_answered(record, answers) for record in records]
            elif kind is AnsweredPrompt:
                # One without an answer stands as it was written, lest one that has come meanwhile be overwritten.
                unwritten = records if careful else answers.values()
                values = [row(record, record.finding) for record in unwritten if record.finding.message_id]
            else:
                values = [row(record, record.finding) for record in records]
            if values:
                self._keep(kind, values)
                children.append((statement, values))
        return children

    def _keep(self, kind: type, values: Sequence[Row]) -> None:
        """Puts the rows to their interception's, as far as it was begun by this process."""
        if kind is AnsweredPrompt:
            for message_id, interception_id, prompt_id in values:
                if (known := self._open.get(interception_id)) is not None:
                    known.prompts = [(*p[:-1], message_id) if p[0] == prompt_id else p for p in known.prompts]
        elif (kept := _KEPT.get(kind)) is not None:
            for row in values:
                if (known := self._open.get(row[1])) is not None:
                    getattr(known, kept).append(row)

    def _hang(self, db: Connection, later: Sequence[Any]) -> dict[str, Thread]:
        """The threads of interceptions whose tool was called in this same batch."""
        found = {}
        for record in later:  # one after another: the thread of one may be the root of the next
            for thread in threads.find(db, [record]).values():
                threads.hang(db, record.id, thread)
                found[record.id] = thread
                self._open[record.id].interception = rows.interception(record, record.finding, thread)
        return found

    def _sealed(self, ended: Sequence[Any]) -> tuple[ChainHead, dict[str, Row]]:
        """The new end of the chain, and of each interception the columns of its end and its seal."""
        number, seal = self.head
        ends: dict[str, Row] = {}
        for record in ended:
            number += 1
            id = record.interception_id
            known = self._open.get(id)
            if known is None or record.finding.credential_hint is not None or id in ends:
                raise NotAsWritten
            end = rows.end(record, record.finding)
            digests = seals.digests(known, end)
            seal = seals.seal(seal, self.instance_id, number, id, known.interception[seals.STARTED_AT], digests)
            ends[id] = (*end, number, *digests, seal)
        return ChainHead(number, seal), ends


def _by_kind(batch: Sequence[Record]) -> Kinds:
    """The records by the type of their finding, each kind in its order."""
    kinds: dict[type, list[Any]] = {}
    for record in batch:
        kinds.setdefault(type(record.finding), []).append(record)
    return kinds


def _run(db: Connection, statements: Sequence[tuple[str, Sequence[Row]]]) -> None:
    for statement, values in statements:
        db.executemany(statement, values)


def _answered(prompt: Any, answers: dict[tuple[str, str], Any]) -> Row:
    """The prompt's row; its answer, if it is there, is taken out of `answers`."""
    answer = answers.pop((prompt.id, prompt.interception_id), None)
    return rows.prompt(prompt, prompt.finding, answer.finding.message_id if answer else "")
