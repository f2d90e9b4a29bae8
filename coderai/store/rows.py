"""How each finding is stored: its statement, and its record as a row of parameters, in the order of children.py.

An interception's own row goes first; the others, which refer to it, in the order of STATEMENTS.
Every statement may run again with the same records: what is there already stays as it is.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from coderai.records import (
    AnsweredPrompt,
    Ended,
    Metadata,
    Prompt,
    ProviderObject,
    Record,
    Started,
    Thought,
    Thread,
    Tokens,
    ToolCall,
)
from coderai.store import times
from coderai.store.children import PROMPTS, THOUGHTS, TOKENS, TOOLS
from coderai.store.driver import Row
from coderai.store.storable import without_nul

_encode = msgspec.json.Encoder().encode
_NUL = "\\u0000"  # as it stands in JSON

INSERT_INTERCEPTION = """
    INSERT INTO aibridge_interceptions (id, initiator_id, api_key_id, provider, provider_name, model, client,
        client_session_id, credential_kind, credential_hint, metadata, started_at, thread_parent_id,
        thread_root_id, instance_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
ANSWER_PROMPT = """
    UPDATE aibridge_user_prompts SET provider_response_id = ? WHERE interception_id = ? AND id = ?"""
# The first to be answered with an id owns it.
INSERT_OBJECT = """
    INSERT INTO aibridge_provider_objects (provider_name, object_id, initiator_id, created_at)
    VALUES (?, ?, ?, ?) ON CONFLICT (provider_name, object_id) DO NOTHING"""
# Of one that has ended in the same batch.
INSERT_ENDED = INSERT_INTERCEPTION.replace(
    "instance_id)",
    "instance_id, ended_at, status, error_type, error_message, seal_number, counts_digest, content_digest, seal)",
).replace("?) ON", f"?{', ?' * 8}) ON")
# Where it is the first: one that was only inferred, or that comes again, is ending.py's to look at.
END = """
    UPDATE aibridge_interceptions SET ended_at = ?, status = ?, error_type = ?, error_message = ?,
        seal_number = ?, counts_digest = ?, content_digest = ?, seal = ?
    WHERE id = ? AND instance_id = ? AND ended_at IS NULL AND error_type IS NULL"""


def interception(record: Record, finding: Started, thread: Thread | None) -> Row:
    return (
        record.id,
        finding.initiator_id,
        finding.api_key_id,
        finding.provider,
        finding.provider_name,
        finding.model,
        finding.client,
        finding.client_session_id,
        finding.credential_kind,
        finding.credential_hint,
        _json(finding.metadata),
        times.text(record.at),
        thread.parent_id if thread else None,
        thread.root_id if thread else None,
    )


def prompt(record: Record, finding: Prompt, message_id: str = "") -> Row:
    """message_id: of its answer, where that is known already."""
    return record.id, record.interception_id, finding.text, _json(finding.metadata), times.text(record.at), message_id


def _answered(record: Record, finding: AnsweredPrompt) -> Row:
    return finding.message_id, record.interception_id, record.id


def _tokens(record: Record, finding: Tokens) -> Row:
    return (
        record.id,
        record.interception_id,
        finding.message_id,
        finding.input,
        finding.output,
        finding.cache_read,
        finding.cache_write,
        _json(finding.metadata),
        times.text(record.at),
    )


def _tool(record: Record, finding: ToolCall) -> Row:
    return (
        record.id,
        record.interception_id,
        finding.message_id,
        finding.call_id,
        finding.server_url,
        finding.tool,
        finding.input,
        finding.injected,
        finding.invocation_error,
        _json(finding.metadata),
        times.text(record.at),
    )


def _thought(record: Record, finding: Thought) -> Row:
    return record.id, record.interception_id, finding.content, _json(finding.metadata), times.text(record.at)


def _object(record: Record, finding: ProviderObject) -> Row:
    return finding.provider_name, finding.object_id, finding.initiator_id, times.text(record.at)


def end(record: Record, finding: Ended) -> Row:
    return times.text(record.at), finding.status, finding.error_type, finding.error_message


# Of everything between an interception's own row and its end.
STATEMENTS: tuple[tuple[type, str, Callable[[Record, Any], Row]], ...] = (
    (Prompt, PROMPTS.insert, prompt),
    (Tokens, TOKENS.insert, _tokens),
    (ToolCall, TOOLS.insert, _tool),
    (Thought, THOUGHTS.insert, _thought),
    (ProviderObject, INSERT_OBJECT, _object),
    (AnsweredPrompt, ANSWER_PROMPT, _answered),
)


def _json(metadata: Metadata) -> str:
    if not metadata:
        return "{}"
    text = _encode(metadata).decode()
    return text if text.find(_NUL) < 0 else _encode(without_nul(metadata)).decode()
