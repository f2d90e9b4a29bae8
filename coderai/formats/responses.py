"""OpenAI's responses. Spec: https://platform.openai.com/docs/api-reference/responses, .../responses-streaming

`POST /responses/compact` is answered in the same shape and read by the same code.
"""

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Raw, Struct, json

from coderai.formats.chat_completions import ChatCompletions
from coderai.formats.failure import Failure, error_of, failure_in, told, unwrapped
from coderai.formats.format import Ask, NotUnderstood, Reading
from coderai.formats.loose import flag, mapping, object_of, objects, raw_items, text, value
from coderai.formats.prompt import behind_answer, last_message, prompt_of
from coderai.formats.replies import reply
from coderai.formats.response_deltas import DELTAS, Unfinished
from coderai.formats.response_items import answered, is_call, item_of, thoughts_of, tool_call
from coderai.formats.terminal import terminal_event
from coderai.formats.usage import response_tokens
from coderai.records import AnswerFinding


class _Request(Struct):
    model: Any = None
    input: Raw = Raw(b"null")
    stream: Any = False
    background: Any = False
    client_metadata: Any = None
    previous_response_id: Any = None
    conversation: Any = None


class _Response(Struct):
    """An answer, whole or folded."""

    id: Any = ""
    output: Any = None  # of Raw or Item
    usage: Any = None
    service_tier: Any = None
    tool_usage: Any = None
    failure: Failure = (None, None)


class _WholeResponse(Struct):
    id: Any = ""
    object: Any = ""
    status: Any = ""
    output: list[Raw] | None = None
    usage: Any = None
    service_tier: Any = None
    tool_usage: Any = None
    error: Any = None


class _Event(Struct):
    type: Any = ""
    response: Raw = Raw(b"null")
    item: Raw = Raw(b"null")
    output_index: Any = None
    item_id: Any = None
    delta: Any = None
    summary_index: Any = None
    content_index: Any = None
    command_index: Any = None
    command: Any = None  # as far as it is there when it is added
    error: Any = None
    code: Any = None
    message: Any = None


_EVENTS = json.Decoder(_Event)

# It returns the conversation made shorter: nothing in it was called or thought now.
_COMPACTION = "response.compaction"
# Where it does not tell why.
_FAILED = ("error", None)
_FINAL = ("response.completed", "response.incomplete", "response.failed")


class Responses:
    path = "/responses"
    answers_kept = True
    wanted = re.compile(
        rb'"type"\s*:\s*"(?:response\.(?:created|completed|incomplete|failed|output_item\.(?:added|done)'
        rb"|function_call_arguments\.delta|mcp_call_arguments\.delta|custom_tool_call_input\.delta"
        rb"|code_interpreter_call_code\.delta|shell_call_command\.(?:added|delta)|reasoning_summary_text\.delta"
        rb'|reasoning_text\.delta|apply_patch_call_operation_diff\.delta)|error)"'
    )
    terminal_hints: tuple[bytes, ...] = (*(name.encode() for name in _FINAL), b"error")
    terminal = terminal_event(*_FINAL, "error")
    error = ChatCompletions.error

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        request = object_of(body, _Request)
        if not isinstance(request.model, str) or not request.model:
            raise NotUnderstood("missing required parameter: 'model'")
        given = request.input
        said = raw_items(given) if bytes(given)[:1] != b'"' else [{"role": "user", "content": value(given)}]
        last, beside = last_message(said)
        called = answered(last)
        results = behind_answer(said) if called else ()
        return Ask(
            model=request.model,
            body=body,
            stream=flag(request.stream),
            prompt=prompt_of(last, ("input_text", "text"), beside, joined=True) or reply(results),
            tool_call_id=called or None,
            session_id=text(mapping(request.client_metadata).get("session_id")) or None,
            builds_on=_builds_on(request),
            kept=True,
            background=flag(request.background),
        )

    def whole(self, body: bytes) -> _Response:
        body = unwrapped(body)
        answer = object_of(body, _WholeResponse)
        output = [item_of(raw) for raw in answer.output or ()]
        if answer.object == _COMPACTION:
            output = []
        answers = bool(output or answer.usage) or answer.object in ("response", _COMPACTION)
        failure = failure_in(body, answer.error, answers=answers)
        if answer.status == "failed":
            failure = told(failure, _FAILED)
        return _Response(answer.id, output, answer.usage, answer.service_tier, answer.tool_usage, failure)

    def fold(self, events: Sequence[bytes]) -> _Response:
        """The final event's response, else the items that came until the stream broke off."""
        seen = _Response(output=[])
        final: _Response | None = None
        unfinished: dict[Any, Unfinished] = {}  # by their place, or id
        for event in objects(events, _EVENTS):
            place = event.output_index if isinstance(event.output_index, int) else _item_id(event)
            kind = text(event.type)
            if kind in _FINAL:
                final = self.whole(bytes(event.response)) if mapping(event.response) else None
                if final is None and event.error:
                    seen.failure = error_of({"error": event.error})
                break
            if kind == "response.output_item.added":
                unfinished[place] = Unfinished(item_of(event.item))
            elif kind == "response.output_item.done":
                unfinished.pop(place, None)
                seen.output.append(item_of(event.item))
            elif (target := DELTAS.get(kind)) is not None and place in unfinished:
                index = getattr(event, target.counted_by) if target.counted_by else 0
                unfinished[place].add(target, index, event.delta or event.command)
            elif kind == "error" or event.error or (event.message and not kind):
                given = {"error": event.error, "code": event.code, "message": event.message}
                seen.failure = told(error_of(given | {"type": kind if kind == "error" else ""}), seen.failure)
            if not seen.id:
                seen.id = mapping(event.response).get("id", "")
        seen.output += (each.item() for each in unfinished.values())
        if final is None:
            return seen
        final.id = final.id or seen.id
        if final.failure == _FAILED:
            final.failure = told(seen.failure, _FAILED)
        final.output = final.output or seen.output  # Codex's own backend leaves it to the items
        return final

    def read(self, answer: _Response) -> Reading:
        message_id = text(answer.id)
        findings: list[AnswerFinding] = []
        if usage := mapping(answer.usage):
            findings.append(response_tokens(message_id, usage, answer.service_tier, answer.tool_usage))
        for item in answer.output or ():
            if is_call(item):
                findings.append(tool_call(message_id, item))
            else:
                findings += thoughts_of(item)
        error_type, error_message = answer.failure
        return Reading(
            message_id=message_id,
            findings=tuple(findings),
            error_type=error_type,
            error_message=error_message,
        )

    def withheld(self, event: bytes) -> bool:
        return False


def _item_id(event: _Event) -> str:
    return text(event.item_id) or text(mapping(event.item).get("id"))


def builds_on(body: bytes) -> tuple[str, ...]:
    """Raises NotUnderstood for what is no JSON object; a model need not be named."""
    return _builds_on(object_of(body, _Request))


def _builds_on(request: _Request) -> tuple[str, ...]:
    return tuple(filter(None, (text(request.previous_response_id), _conversation(request.conversation))))


def _conversation(given: Any) -> str:
    """Its id, which stands for itself or in an object."""
    return text(given) or text(mapping(given).get("id"))
