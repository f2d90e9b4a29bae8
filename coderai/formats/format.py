"""What a wire format is to the rest: JSON in, values out.

A format is stateless and pure: no HTTP, no time, no storage, and nothing in it can harm the relay, which has
already sent (or is about to send) the very bytes read here. `wanted` and `terminal` are searched in whole raw
SSE events (`event:` and `data:` lines as they came); `fold` gets the `data` payloads of the events that are kept
(picking.py: the first, the wanted ones and the terminal one), in order, and makes of them the whole answer that the
stream amounts to, so that a stream and a whole body are read by the same `read`.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from coderai.records import AnswerFinding, Prompt


class NotUnderstood(ValueError):
    """A body that this format cannot read; the message says what is wrong with it, in words for the client."""


class TooDeep(NotUnderstood):
    """JSON it may be, but nested further than can be followed."""


class Ask(Struct, frozen=True, kw_only=True):
    """What was asked: read from a request's body, before the upstream is called."""

    model: str
    body: bytes  # what goes upstream: the client's own bytes, but for a spliced-in stream_options
    stream: bool = False
    prompt: Prompt | None = None
    tool_call_id: str | None = None  # of the last tool result in the last message
    session_id: str | None = None  # where the client's body names its session
    builds_on: tuple[str, ...] = ()  # ids of what the provider keeps (a response, a conversation), and goes on from
    kept: bool = False  # the provider keeps the answer, to be asked for or gone on from by its id
    background: bool = False  # to be answered later, out of the gateway's sight
    withholds_usage: bool = False  # the usage chunk was asked for by us and is not the client's to see


class Reading(Struct, frozen=True, kw_only=True):
    """What was found in one answer."""

    message_id: str = ""
    findings: tuple[AnswerFinding, ...] = ()
    error_type: str | None = None  # the provider's own error.type, from an error body or event; or answer_not_read
    error_message: str | None = None


class Format(Protocol):
    path: str  # below the provider's route prefix, e.g. "/v1/messages"
    wanted: re.Pattern[bytes]  # a stream event that `fold` needs; the rest is relayed unread
    terminal_hints: tuple[bytes, ...]  # without one of these, no event is terminal: finding out so is faster
    answers_kept: bool  # whether there are requests whose answers the provider keeps
    terminal: re.Pattern[bytes]  # the event at which a client hangs up (error events are terminal too)

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        """Raises NotUnderstood for a body that is no JSON object or names no model.

        include_usage: the body may be changed so that a stream tells its usage.
        """

    def fold(self, events: Sequence[bytes]) -> Any:
        """The answer that these `data` payloads amount to; incomplete where the stream broke off."""

    def whole(self, body: bytes) -> Any:
        """The answer in a whole body, whatever its status; raises NotUnderstood."""

    def read(self, answer: Any) -> Reading:
        """What `fold` or `whole` returned, as records."""

    def withheld(self, event: bytes) -> bool:
        """Whether this raw event is the usage chunk that only the gateway asked for."""

    def error(self, status: int, message: str) -> bytes:
        """The gateway's own refusal, as a body in the provider's own error shape."""
