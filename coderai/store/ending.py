"""The end of an interception where the database has to be asked first, and what stands in for a refused record.

An end may come twice (its commit was not confirmed), after another process has ended the interception for a dead
one's sake, or after retention has deleted it. A true end overrides an inferred one; the inferred one's seal stays in
its chain as a past one.
"""

from collections.abc import Sequence
from typing import Any

from coderai.records import Record, Started
from coderai.store import rows, sealed, seals, times
from coderai.store.driver import Connection
from coderai.store.seals import ChainHead

INTERRUPTED = "interrupted"
UNSTORABLE = "unstorable_record"

_HEAD = "SELECT seal_number, seal FROM aibridge_instances WHERE id = ?"
# A commit of this process that was given up may still be under way in the database: it is waited for here.
_LOCK_HEAD = "UPDATE aibridge_instances SET seal_number = seal_number WHERE id = ?"
_MOVE_HEAD = "UPDATE aibridge_instances SET seal_number = ?, seal = ? WHERE id = ?"
# Whoever else wants to end it waits here until this transaction is over.
_LOCK = "UPDATE aibridge_interceptions SET model = model WHERE id = ?"
_STATE = "SELECT ended_at, error_type FROM aibridge_interceptions WHERE id = ?"
_SUPERSEDE = """
    INSERT INTO aibridge_past_seals (instance_id, seal_number, interception_id, started_at, counts_digest,
        content_digest, seal, reason)
    SELECT instance_id, seal_number, id, started_at, counts_digest, content_digest, seal, 'superseded'
    FROM aibridge_interceptions WHERE id = ? AND seal IS NOT NULL
    ON CONFLICT (instance_id, seal_number) DO NOTHING"""
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
_SUBSTITUTE = """
    INSERT INTO aibridge_interceptions (id, initiator_id, api_key_id, provider, provider_name, model,
        started_at, error_type, error_message, instance_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
# Not of one that is sealed: then this comes a second time.
_MARK = "UPDATE aibridge_interceptions SET error_type = ?, error_message = ? WHERE id = ? AND seal IS NULL"
# Of a value that the database refused, as much as shows what it was.
_SHOWN_CHARACTERS = 200


def move_head(db: Connection, instance_id: str, head: ChainHead) -> None:
    db.execute(_MOVE_HEAD, (head.number, head.seal, instance_id))


def carefully(db: Connection, instance_id: str, ended: Sequence[Any]) -> ChainHead | None:
    """Ends those that have not truly ended; returns the new end of the chain, if there is a chain."""
    db.execute(_LOCK_HEAD, (instance_id,))
    stored = db.execute(_HEAD, (instance_id,)).fetchone()
    before = head = ChainHead(stored[0], stored[1] or b"") if stored else ChainHead()
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


def _end(db: Connection, record: Any) -> bool:
    """Whether this was its end, or a truer one than that it had; that may be `interrupted`, too."""
    interception_id = record.interception_id
    db.execute(_LOCK, (interception_id,))
    state = db.execute(_STATE, (interception_id,)).fetchone()
    if state is None:  # retention has deleted it
        return False
    ended_at, error_type = state
    if ended_at is not None:
        again = (ended_at, error_type) == (times.text(record.at), record.finding.error_type)
        if again or record.finding.inferred or error_type != INTERRUPTED:
            return False
        db.execute(_SUPERSEDE, (interception_id,))
    db.execute(_END, (*rows.end(record, record.finding), record.finding.credential_hint, interception_id))
    return True


def substitute(db: Connection, record: Record, instance_id: str, reason: str) -> None:
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
        row = (record.id, *map(_shown, values), times.text(record.at), UNSTORABLE, message, instance_id)
        db.execute(_SUBSTITUTE, row)
    else:
        db.execute(_MARK, (UNSTORABLE, message, record.interception_id))


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:_SHOWN_CHARACTERS] if isinstance(value, str) else ascii(value)[:_SHOWN_CHARACTERS]
