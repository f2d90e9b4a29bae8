"""OpenAI's chat completions, and what compatible providers make of them.

Spec: https://platform.openai.com/docs/api-reference/chat, .../chat-streaming
Beyond it: reasoning, in a field of one of several names (chat_deltas.py).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import UNSET, Raw, Struct, json
from msgspec.structs import asdict

from coderai.formats.chat_deltas import INDEX, Choice, thought_of
from coderai.formats.failure import Failure, error_of, failure_in, told, unwrapped
from coderai.formats.format import Ask, NotUnderstood, Reading
from coderai.formats.loose import flag, items, mapping, object_of, objects, text, written
from coderai.formats.prompt import behind_answer, last_message, prompt_of
from coderai.formats.replies import reply
from coderai.formats.splice import with_usage
from coderai.formats.terminal import DONE, GAP, PLAIN
from coderai.formats.usage import chat_tokens
from coderai.records import AnswerFinding, Metadata, Thought, ToolCall
from coderai.sse import payload


class _Request(Struct):
    model: Any = None
    messages: list[Raw] | None = None
    stream: Any = False
    stream_options: Any = UNSET


class _Answer(Struct):
    id: Any = ""
    choices: Any = None
    usage: Any = None
    service_tier: Any = None
    x_groq: Any = None
    error: Any = None
    message: Any = None
    type: Any = None
    code: Any = None


class _Completion(Struct):
    """An answer, whole or folded."""

    id: Any = ""
    choices: Any = None
    usage: Any = None
    tier: Any = None
    failure: Failure = (None, None)


_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    501: ("invalid_request_error", "unsupported_parameter"),
    503: ("server_error", "service_unavailable"),
}


_CHUNKS = json.Decoder(_Answer)


class ChatCompletions:
    path = "/chat/completions"
    answers_kept = False
    wanted = re.compile(
        rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|"t(?:ool_calls|hinking)"\s*:\s*\[|"function_call"\s*:\s*\{'
        rb'|"reasoning(?:_content|_text)?"\s*:\s*"[^"]|"error"\s*(?::\s*[{"]|[,}])'
    )
    terminal_hints: tuple[bytes, ...] = (b"[DONE]", b"error")
    # The end, or an error: first, or behind plain members (OpenRouter's has an id). Behind no more than a few, or
    # each line of thousands that are no error would take a millisecond.
    # The literal comes first, for speed; that it begins a line, so is in no string, is looked up behind it.
    # No possessive quantifier: Python before 3.11.5 matches it wrongly (https://github.com/python/cpython/issues/106052).
    terminal = re.compile(
        (
            r"data:(?<![^\r\n]data:)(?:(?<=event: error\ndata:)|(?<=event: error\r\ndata:)|\s*(?:\[DONE\]"
            rf'|\{{(?:{GAP}{PLAIN}){{0,64}}{GAP}"error"\s*:\s*(?:\{{{GAP}"|"[^"])))'
        ).encode()
    )

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        request = object_of(body, _Request)
        if not isinstance(request.model, str) or not request.model:
            raise NotUnderstood("you must provide a model parameter")
        last, beside = last_message(request.messages)
        of_tool = last.get("role") == "tool"
        results = behind_answer(request.messages) if of_tool else ()
        asked = mapping(request.stream_options).get("include_usage") is True
        stream = flag(request.stream)
        withholds = include_usage and stream and not asked
        return Ask(
            model=request.model,
            body=with_usage(body, has_options=request.stream_options is not UNSET) if withholds else body,
            stream=stream,
            prompt=prompt_of(last, ("text",), beside) or reply(results),
            tool_call_id=text(last.get("tool_call_id")) or None if of_tool else None,
            withholds_usage=withholds,
        )

    def whole(self, body: bytes) -> _Completion:
        body = unwrapped(body)
        answer = object_of(body, _Answer)
        failure = failure_in(body, answer.error, answers=answer.choices is not None or bool(answer.usage))
        usage = answer.usage or _groqs(answer)
        return _Completion(answer.id, answer.choices, usage, answer.service_tier, failure)

    def fold(self, events: Sequence[bytes]) -> _Completion:
        """The chunks' deltas, joined by choice and tool call into messages; the last usage given counts."""
        answer = _Completion()
        choices: dict[float, Choice] = {}
        elsewhere: Any = None  # its usage, where the one who asked wanted none
        if events[-1:] == [DONE]:
            events = events[:-1]
        for chunk in objects(events, _CHUNKS):
            if not answer.id:
                answer.id = text(chunk.id)
            if chunk.service_tier:
                answer.tier = chunk.service_tier
            if chunk.usage:
                answer.usage = chunk.usage
            elif chunk.x_groq:
                elsewhere = _groqs(chunk) or elsewhere
            if chunk.error or (chunk.choices is None and chunk.message):  # in the place of a chunk (vLLM and others)
                answer.failure = told(error_of(asdict(chunk)), answer.failure)
            for choice in map(mapping, items(chunk.choices)):
                index = choice.get("index")
                index = index if isinstance(index, INDEX) else 0
                if index not in choices:
                    choices[index] = Choice()
                choices[index].add(choice)
        answer.choices = [choices[index].whole() for index in sorted(choices)]
        if not answer.usage:
            answer.usage = elsewhere or next((one.usage for one in choices.values() if one.usage), None)
        return answer

    def read(self, answer: _Completion) -> Reading:
        message_id = text(answer.id)
        findings: list[AnswerFinding] = []
        failure = answer.failure
        if usage := mapping(answer.usage):
            findings.append(chat_tokens(message_id, usage, answer.tier))
        for choice in map(mapping, items(answer.choices)):
            message = mapping(choice.get("message"))
            thought, source = thought_of(message)
            if thought:
                findings.append(Thought(thought, {"source": source}))
            findings += _tools(message_id, message, cut=choice.get("finish_reason") == "length")
            if error := choice.get("error"):
                failure = told(error_of({"error": error}), failure)
        error_type, error_message = failure
        return Reading(
            message_id=message_id,
            findings=tuple(findings),
            error_type=error_type,
            error_message=error_message,
        )

    def withheld(self, event: bytes) -> bool:
        """The chunk of usage alone; Azure's first chunk has no choices either, but no usage, nor may OpenAI's that has
        the moderation, which a client asks for.
        """
        if b'"usage"' not in event:
            return False
        chunk = mapping(payload(event))
        return chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict) and not chunk.get("moderation")

    def error(self, status: int, message: str) -> bytes:
        default = ("invalid_request_error", None) if status < 500 else ("server_error", None)
        kind, code = _ERRORS.get(status, default)
        param = {} if status == 503 else {"param": None}  # Coder's has no such member
        return json.encode({"error": {"message": message, "type": kind, **param, "code": code}})


def _groqs(answer: _Answer) -> Any:
    return mapping(answer.x_groq).get("usage")


def _tools(message_id: str, message: dict[str, Any], *, cut: bool) -> Iterable[ToolCall]:
    """cut: the answer ended amid what it says last."""
    legacy = mapping(message.get("function_call"))
    calls = [mapping(call) for call in items(message.get("tool_calls"))]
    if legacy:
        calls.append({"function": legacy, "incomplete": legacy.get("incomplete")})
    for call in calls:
        function, custom = mapping(call.get("function")), mapping(call.get("custom"))
        incomplete = call.get("incomplete") or (cut and call is calls[-1])
        metadata: Metadata = {"incomplete": True} if incomplete else {}
        yield ToolCall(
            message_id=message_id,
            call_id=text(call.get("id")),
            tool=text((function or custom).get("name")),
            input=written(function.get("arguments") if function else custom.get("input")),
            metadata=metadata,
        )
