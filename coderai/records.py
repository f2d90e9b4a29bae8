"""What the audit trail holds, as plain values: no I/O, no wire format, no SQL.

A `Record` says "at this time, this was found in that interception". The recorder hands the same records to
the store (rows) and to the structured log (lines). Times are integers, microseconds since the epoch in UTC;
ids are UUIDv7 in their 36-character text form, so they sort by time and an insert can be tried again.
"""

from typing import Any

import uuid_utils
from msgspec import Struct

Metadata = dict[str, Any]


class Started(Struct, frozen=True, kw_only=True):
    """A new intercepted request begins. Its `Record.id` is the interception's own id."""

    initiator_id: str
    api_key_id: str
    provider: str  # the provider's type: openai, anthropic, copilot
    provider_name: str  # the configured instance's name, the first segment of its route
    model: str
    client: str  # a name of the table in clients.py
    client_session_id: str | None = None
    correlating_tool_call_id: str | None = None  # the tool call whose result this request carries
    credential_kind: str = "centralized"  # or "byok"
    credential_hint: str = ""
    metadata: Metadata = {}  # request_user_agent


class Prompt(Struct, frozen=True):
    """The last user prompt of a request. Committed together with `Started`."""

    text: str
    metadata: Metadata = {}


class AnsweredPrompt(Struct, frozen=True):
    """The same prompt (same `Record.id`) once its answer's id is known: updates the row, makes the log line.

    Written for every prompt when the interception ends; `message_id` is "" if there was no answer.
    """

    prompt: Prompt
    message_id: str


class Tokens(Struct, frozen=True, kw_only=True):
    """What one answer cost, in the provider's own final figures; `input` is without `cache_read`."""

    message_id: str
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    metadata: Metadata = {}


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call that the model made; `input` is JSON text exactly as the model wrote it (a custom tool's: its text)."""

    message_id: str
    call_id: str
    tool: str
    input: str
    server_url: str | None = None
    injected: bool = False
    invocation_error: str | None = None
    metadata: Metadata = {}


class Thought(Struct, frozen=True):
    """Reasoning that the model showed; `metadata["source"]` says in which form."""

    content: str
    metadata: Metadata = {}


# The `error_type` of an exchange whose end the client did not get, as it could not be stored in time.
NOT_STORED = "not_stored"


class Ended(Struct, frozen=True, kw_only=True):
    """The interception is over. `status` is the integer sent to the client, None if none was."""

    status: int | None
    error_type: str | None = None
    error_message: str | None = None
    credential_hint: str | None = None  # of the key that served it, if it is not the one that it began with
    inferred: bool = False  # written for a process that is taken for dead: its own end, should it come, is the true one


class ProviderObject(Struct, frozen=True):
    """The provider keeps something of this user under this id (a response, a conversation).

    Only its owner may ask for it again through the gateway. It is stored, and is no line of the log.
    """

    object_id: str
    provider_name: str
    initiator_id: str


# What a format can find in an answer; the rest of a Finding is the gateway's own.
AnswerFinding = Tokens | ToolCall | Thought
Finding = Started | Prompt | AnsweredPrompt | Tokens | ToolCall | Thought | Ended | ProviderObject


NO_INTERCEPTION = ""  # of what a request has left that is passed through


class Record(Struct, frozen=True):
    id: str
    interception_id: str
    at: int  # microseconds since the epoch, UTC
    finding: Finding


class Thread(Struct, frozen=True):
    """Where an interception hangs: below the one whose tool call it answers, in the line of the first."""

    parent_id: str
    root_id: str


def new_id() -> str:
    """A UUIDv7 (RFC 9562, section 5.7), rising within this process."""
    return str(uuid_utils.uuid7())
