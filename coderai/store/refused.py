"""What stands in for a record that the database does not take, so that the trail tells that there was one."""

from collections.abc import Mapping

from msgspec.structs import replace

from coderai.records import Ended, Record, Started
from coderai.store import times
from coderai.store.driver import Connection

UNSTORABLE = "unstorable_record"

_SUBSTITUTE = """
    INSERT INTO aibridge_interceptions (id, initiator_id, api_key_id, provider, provider_name, model,
        started_at, error_type, error_message, instance_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
# Not of one that is sealed: then this comes a second time.
_MARK = "UPDATE aibridge_interceptions SET error_type = ?, error_message = ? WHERE id = ? AND seal IS NULL"
# Of a value that the database refused, as much as shows what it was.
_SHOWN_CHARACTERS = 200


def refusal(record: Record, reason: object) -> str:
    """In words, for its interception."""
    return _shown(f"a {type(record.finding).__name__} record could not be stored: {reason}")


def substitute(db: Connection, record: Record, instance_id: str, message: str) -> None:
    """Stores, in its place, that there was a record, and why it is missing."""
    finding = record.finding
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


def telling(record: Record, refused: Mapping[str, str]) -> Record:
    """The record; an end tells what of its interception was refused. It may have been inferred before, and sealed.

    refused: messages, by interception id.
    """
    message, finding = refused.get(record.interception_id), record.finding
    if message is None or not isinstance(finding, Ended) or finding.error_type is not None:
        return record
    return replace(record, finding=replace(finding, error_type=UNSTORABLE, error_message=message))


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:_SHOWN_CHARACTERS] if isinstance(value, str) else ascii(value)[:_SHOWN_CHARACTERS]
