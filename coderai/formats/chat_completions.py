"""OpenAI's chat completions, and what compatible providers make of them.

Spec: https://platform.openai.com/docs/api-reference/chat, .../chat-streaming
Beyond it: reasoning in `reasoning_content` (DeepSeek and others) or `reasoning` (OpenRouter, vLLM).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw, Struct, json

from coderai.formats.format import Ask, NotUnderstood, Reading
from coderai.formats.loose import count, error_of, items, mapping, object_of, text, value
from coderai.formats.prompt import last_message, prompt_of
from coderai.formats.splice import with_usage
from coderai.records import AnswerFinding, Metadata, Thought, Tokens, ToolCall


class _Request(Struct):
    model: Any = None
    messages: list[Raw] | None = None
    stream: Any = False
    stream_options: Any = None


class _Answer(Struct):
    id: Any = ""
    choices: Any = None
    usage: Any = None
    error: Any = None
    message: Any = None


_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", "permission_denied"),
    404: ("invalid_request_error", "not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    501: ("invalid_request_error", "unsupported_parameter"),
    503: ("server_error", "service_unavailable"),
}


_DONE = b"[DONE]"  # which is no JSON


class ChatCompletions:
    path = "/chat/completions"
    wanted = re.compile(
        rb'"usage"\s*:\s*\{|"finish_reason"\s*:\s*"|"tool_calls"\s*:\s*\[|"function_call"\s*:\s*\{'
        rb'|"reasoning(?:_content)?"\s*:\s*"[^"]|"error"\s*:\s*[{"]'
    )
    terminal_hints: tuple[bytes, ...] = (b"[DONE]", b"error")
    # The end, or an error: first, or behind members that are neither object nor list (OpenRouter's has an id).
    # The literal comes first, for speed; that it begins a line, so is in no string, is looked up behind it.
    # No possessive quantifier: Python before 3.11.5 matches it wrongly (https://github.com/python/cpython/issues/106052).
    terminal = re.compile(
        rb"data:(?<![^\r\n]data:)(?:(?<=event: error\ndata:)|(?<=event: error\r\ndata:)|\s*(?:\[DONE\]"
        rb'|\{(?:\s*"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+)\s*,)*\s*"error"\s*:\s*[{"]))'
    )

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        request = object_of(body, _Request)
        if not isinstance(request.model, str) or not request.model:
            raise NotUnderstood("you must provide a model parameter")
        last = last_message(request.messages)
        asked = mapping(request.stream_options).get("include_usage") is True
        withholds = include_usage and request.stream is True and not asked
        return Ask(
            model=request.model,
            body=with_usage(body) if withholds else body,
            stream=request.stream is True,
            prompt=prompt_of(last, ("text",)),
            tool_call_id=text(last.get("tool_call_id")) or None if last.get("role") == "tool" else None,
            withholds_usage=withholds,
        )

    def whole(self, body: bytes) -> dict[str, Any]:
        answer = object_of(body, _Answer)
        return {name: getattr(answer, name) for name in _Answer.__struct_fields__}

    def fold(self, events: Sequence[bytes]) -> dict[str, Any]:
        """The chunks' deltas, joined by choice and tool call into messages; the last usage given counts."""
        answer: dict[str, Any] = {"id": "", "usage": None, "error": None, "message": None}
        choices: dict[int, _Choice] = {}
        for event in events:
            chunk = mapping(event) if event != _DONE else {}
            answer["id"] = answer["id"] or text(chunk.get("id"))
            answer["usage"] = chunk.get("usage") or answer["usage"]
            if chunk.get("error"):
                answer |= {"error": chunk["error"], "message": chunk.get("message")}
            for choice in items(chunk.get("choices")):
                index = mapping(choice).get("index")
                index = index if isinstance(index, int) else 0
                if index not in choices:
                    choices[index] = _Choice()
                choices[index].add(mapping(choice))
        answer["choices"] = [choices[index].whole() for index in sorted(choices)]
        return answer

    def read(self, answer: dict[str, Any]) -> Reading:
        message_id = text(answer.get("id"))
        findings: list[AnswerFinding] = []
        if usage := mapping(answer.get("usage")):
            findings.append(_tokens(message_id, usage))
        for choice in map(mapping, items(answer.get("choices"))):
            message = mapping(choice.get("message"))
            thought = text(message.get("reasoning_content")) or text(message.get("reasoning"))
            if thought:
                source = "reasoning_content" if message.get("reasoning_content") else "reasoning"
                findings.append(Thought(thought, {"source": source}))
            findings += _tools(message_id, message)
        error_type, error_message = error_of(answer)
        return Reading(
            message_id=message_id,
            findings=tuple(findings),
            error_type=error_type,
            error_message=error_message,
        )

    def withheld(self, event: bytes) -> bool:
        """The chunk of usage alone; Azure's first chunk has no choices either, but no usage."""
        if b'"usage"' not in event:
            return False
        chunk = mapping(event.partition(b"data:")[2])
        return chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)

    def error(self, status: int, message: str) -> bytes:
        default = ("invalid_request_error", None) if status < 500 else ("server_error", None)
        kind, code = _ERRORS.get(status, default)
        return json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


# What a part of a tool call adds to, by its kind.
_CALLED = {"function": ("name", "arguments"), "custom": ("name", "input")}


class _Choice:
    """One choice's deltas, gathered."""

    def __init__(self) -> None:
        self.finished = False
        self.thoughts: dict[str, list[str]] = {"reasoning_content": [], "reasoning": []}
        self.function: dict[str, list[str]] | None = None  # the legacy one: name, arguments
        self.calls: dict[int, dict[str, list[str]]] = {}

    def add(self, choice: dict[str, Any]) -> None:
        delta = mapping(choice.get("delta"))
        self.finished = self.finished or bool(choice.get("finish_reason"))
        for name, thought in self.thoughts.items():
            if name in delta:
                thought.append(text(delta[name]))
        if function := mapping(delta.get("function_call")):
            self.function = self.function or {}
            _gather(self.function, function, ("name", "arguments"))
        for position, given in enumerate(items(delta.get("tool_calls"))):
            call = mapping(given)
            index = call.get("index", position)
            pieces = self.calls.setdefault(index if isinstance(index, int) else position, {})
            if call.get("id") and not any(pieces.get("id", ())):
                _gather(pieces, call, ("id",))
            for kind, names in _CALLED.items():
                if kind in call:
                    _gather(pieces, mapping(call[kind]), names)

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {name: "".join(pieces) for name, pieces in self.thoughts.items()}
        message["tool_calls"] = [self._call(self.calls[index]) for index in sorted(self.calls)]
        if self.function is not None:
            message["function_call"] = _joined(self.function) | self._mark()
        return {"message": message}

    def _call(self, pieces: dict[str, list[str]]) -> dict[str, Any]:
        fields = _joined(pieces)
        kind = "custom" if "input" in fields else "function"
        return {"id": fields.get("id", ""), kind: fields} | self._mark()

    def _mark(self) -> dict[str, Any]:
        return {} if self.finished else {"incomplete": True}


def _gather(pieces: dict[str, list[str]], fields: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if isinstance(piece := fields.get(name), str):
            if name in pieces:
                pieces[name].append(piece)
            else:
                pieces[name] = [piece]


def _joined(pieces: dict[str, list[str]]) -> dict[str, Any]:
    return {name: "".join(some) for name, some in pieces.items()}


def _tools(message_id: str, message: dict[str, Any]) -> Iterable[ToolCall]:
    legacy = mapping(message.get("function_call"))
    calls = [mapping(call) for call in items(message.get("tool_calls"))]
    for call in [*calls, *([{"function": legacy, "incomplete": legacy.get("incomplete")}] if legacy else [])]:
        function, custom = mapping(call.get("function")), mapping(call.get("custom"))
        metadata: Metadata = {"incomplete": True} if call.get("incomplete") else {}
        yield ToolCall(
            message_id=message_id,
            call_id=text(call.get("id")),
            tool=text((function or custom).get("name")),
            input=_input(function.get("arguments") if function else custom.get("input")),
            metadata=metadata,
        )


def _input(given: Any) -> str:
    """A string of JSON by the spec; some providers send the object itself."""
    if isinstance(given, str):
        return given
    return "" if given is None else json.encode(value(given)).decode()


def _tokens(message_id: str, usage: dict[str, Any]) -> Tokens:
    asked, made = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    cached = count(asked.get("cached_tokens"))
    metadata = _figures(asked, _ASKED) | _figures(made, _MADE) if asked or made else {}
    return Tokens(
        message_id=message_id,
        input=max(0, count(usage.get("prompt_tokens")) - cached),
        output=count(usage.get("completion_tokens")),
        cache_read=cached,
        metadata=metadata,
    )


_ASKED = {"audio_tokens": "prompt_audio", "cached_tokens": "prompt_cached"}
_MADE = {
    "accepted_prediction_tokens": "completion_accepted_prediction",
    "rejected_prediction_tokens": "completion_rejected_prediction",
    "audio_tokens": "completion_audio",
    "reasoning_tokens": "completion_reasoning",
}


def _figures(details: dict[str, Any], names: dict[str, str]) -> Metadata:
    found: Metadata = {}
    for name, ours in names.items():
        if (given := details.get(name)) is not None:
            found[ours] = count(given)
    return found
