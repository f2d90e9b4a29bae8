"""A request for a message, as far as it is read. Spec: https://docs.anthropic.com/en/api/messages"""

from collections.abc import Sequence
from itertools import dropwhile
from typing import Any

from msgspec import Raw, Struct

from coderai.formats.format import Ask, NotUnderstood
from coderai.formats.loose import flag, items, mapping, object_of, text
from coderai.formats.prompt import attachments, behind_answer, last_message, prompt_of
from coderai.formats.queued import queued
from coderai.formats.replies import reply
from coderai.records import Prompt


class _Request(Struct):
    model: Any = None
    messages: list[Raw] | None = None
    stream: Any = False
    metadata: Any = None
    thread: Any = None


def ask_of(body: bytes) -> Ask:
    """Raises NotUnderstood."""
    request = object_of(body, _Request)
    if not isinstance(request.model, str) or not request.model:
        raise NotUnderstood("model: Field required")
    behind = behind_answer(request.messages)
    last, beside = last_message(behind)
    results = [mapping(block) for block in items(last.get("content"))]
    called = [text(block.get("tool_use_id")) for block in results if block.get("type") == "tool_result"]
    # of a thread the provider keeps what was said, under the id of each of its answers
    previous = text(mapping(request.thread).get("previous_message_id"))
    return Ask(
        model=request.model,
        body=body,
        stream=flag(request.stream),
        prompt=_prompt(behind, last, beside),
        tool_call_id=next((call for call in reversed(called) if call), None),
        session_id=_session(mapping(request.metadata).get("user_id")),
        builds_on=(previous,) if previous else (),
        kept=request.thread is not None,
    )


def _prompt(behind: Sequence[dict[str, Any]], last: dict[str, Any], beside: Sequence[str]) -> Prompt | None:
    """What its user said, typed while Claude Code worked, or while a call was refused: it may be all of these at once.

    What stands before the last message was in a request of its own already, where there is something in that one.
    """
    said = prompt_of(last, ("text",), beside)
    since = behind if said is None else [*dropwhile(lambda message: message is not last, behind)]
    found = [prompt for prompt in (said, queued(since), reply(since)) if prompt is not None]
    if not found:
        return None
    first, *others = found
    metadata = first.metadata if first is said else first.metadata | attachments(last)
    if others:
        parts = [*metadata.get("other_parts", ()), *(other.text for other in others)]
        metadata = {**metadata, "other_parts": parts}
    return Prompt(first.text, metadata)


def _session(user_id: Any) -> str | None:
    """Claude Code names its session within metadata.user_id: as JSON, in older versions behind `_session_`."""
    if not isinstance(user_id, str):
        return None
    if user_id.startswith("{"):
        return text(mapping(user_id.encode("utf-8", "replace")).get("session_id")) or None
    return user_id.partition("_session_")[2] or None
