"""The end of an interception where the database has to be asked first.

An end may come twice (its commit was not confirmed, or its client did not get it), after another process has ended the
interception for a dead one's sake, or after retention has deleted it. A true end overrides an inferred one, and one
that says that it was withheld overrides itself; the seal of what is overridden stays in its chain as a past one.
"""

from collections.abc import Sequence
from typing import Any

from coderai.records import NOT_STORED
from coderai.store import past_seals, rows, sealed, seals, times
from coderai.store.driver import Connection
from coderai.store.seals import ChainHead

INTERRUPTED = "interrupted"
# No process makes so many seals, and a database cannot count much further.
HIGHEST = 2**62

_HEAD = "SELECT seal_number, seal FROM aibridge_instances WHERE id = ?"
# A commit of this process that was given up may still be under way in the database: it is waited for here. Meanwhile
# others may have taken this process for dead: if it dies before its next beat, they have to look after it again.
_LOCK_HEAD = "UPDATE aibridge_instances SET ended_at = NULL WHERE id = ?"
_MOVE_HEAD = "UPDATE aibridge_instances SET seal_number = ?, seal = ? WHERE id = ?"
# Whoever else wants to end it waits here until this transaction is over.
_LOCK = "UPDATE aibridge_interceptions SET model = model WHERE id = ?"
_STATE = "SELECT ended_at, error_type FROM aibridge_interceptions WHERE id = ?"
# A true end keeps the mark of a record that could not be stored.
_END = """
    UPDATE aibridge_interceptions SET ended_at = ?, status = ?,
        error_type = coalesce(?, nullif(error_type, 'interrupted')),
        error_message = coalesce(?, CASE WHEN error_type = 'interrupted' THEN NULL ELSE error_message END),
        credential_hint = coalesce(?, credential_hint)
    WHERE id = ?"""
_SEAL = """
    UPDATE aibridge_interceptions
    SET instance_id = ?, seal_number = ?, counts_digest = ?, content_digest = ?, seal = ? WHERE id = ?"""


def move_head(db: Connection, instance_id: str, head: ChainHead) -> None:
    db.execute(_MOVE_HEAD, (head.number, head.seal, instance_id))


def carefully(db: Connection, instance_id: str, ended: Sequence[Any], known: ChainHead) -> ChainHead | None:
    """Ends those that have not truly ended; returns the new end of the chain, if there is a chain.

    known: its end as this process remembers it.
    """
    # First these, in one order whoever does it, then heads, as a purge does.
    db.executemany(_LOCK, [(id,) for id in sorted({record.interception_id for record in ended})])
    db.execute(_LOCK_HEAD, (instance_id,))
    stored = db.execute(_HEAD, (instance_id,)).fetchone()
    before = head = _head(stored[0], stored[1], known) if stored else ChainHead()
    for record in ended:
        if _end(db, record):
            entry = sealed.read(db, [record.interception_id])[record.interception_id]
            digests = entry.digests()
            number = head.number + 1
            seal = seals.seal(head.seal, instance_id, number, record.interception_id, entry.started_at, digests)
            head = ChainHead(number, seal)
            db.execute(_SEAL, (instance_id, head.number, *digests, head.seal, record.interception_id))
    if head is not before:
        move_head(db, instance_id, head)
    return head if stored else None


def _head(number: Any, seal: Any, known: ChainHead) -> ChainHead:
    """The end of the chain as it is stored, if another link can follow: SQLite takes any type, whoever writes it."""
    if isinstance(number, int) and number < HIGHEST and isinstance(seal, bytes | None):
        return ChainHead(number, seal or b"")
    return known


def _end(db: Connection, record: Any) -> bool:
    """Whether this was its end, or a truer one than that it had; that may be `interrupted`, too."""
    interception_id = record.interception_id
    state = db.execute(_STATE, (interception_id,)).fetchone()
    if state is None:  # retention has deleted it
        return False
    ended_at, error_type = state
    if ended_at is not None:
        inferred = error_type == INTERRUPTED and not record.finding.inferred
        own = ended_at == times.text(record.at)
        withheld = own and error_type is None and record.finding.error_type == NOT_STORED
        again = own and error_type == record.finding.error_type
        if again or not (inferred or withheld):
            return False
        past_seals.keep(db, [interception_id], past_seals.SUPERSEDED)
    db.execute(_END, (*rows.end(record, record.finding), record.finding.credential_hint, interception_id))
    return True
