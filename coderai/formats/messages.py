"""Anthropic's messages. Spec: https://docs.anthropic.com/en/api/messages, /en/docs/build-with-claude/streaming"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from coderai.formats.failure import alone, error_of, failure_in, told
from coderai.formats.format import Ask, NotUnderstood, Reading
from coderai.formats.loose import count, items, mapping, object_of, objects, text, written
from coderai.formats.prompt import last_message, prompt_of
from coderai.formats.terminal import terminal_event
from coderai.records import AnswerFinding, Metadata, Thought, Tokens, ToolCall


class _Request(Struct):
    model: Any = None
    messages: list[Raw] | None = None
    stream: Any = False
    metadata: Any = None


class _Block(Struct):
    type: Any = ""
    id: Any = ""
    name: Any = ""
    input: Any = None  # a Raw of a whole body, a str of a stream
    thinking: Any = ""
    server_name: Any = None
    incomplete: bool = False


class _RawBlock(Struct):
    type: Any = ""
    id: Any = ""
    name: Any = ""
    input: Raw = Raw(b"{}")
    thinking: Any = ""
    server_name: Any = None


class _Event(Struct):
    type: Any = ""
    index: Any = None
    delta: Any = None
    content_block: Raw = Raw(b"{}")
    message: Any = None
    usage: Any = None
    error: Any = None
    code: Any = None


_EVENTS = msgspec.json.Decoder(_Event)


class _Message(Struct):
    """An answer, whole or folded."""

    id: Any = ""
    content: list[Any] = []
    usage: dict[str, Any] = {}
    error_type: str | None = None
    error_message: str | None = None


_SERVER_SIDE = ("server_tool_use", "mcp_tool_use")

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Messages:
    path = "/v1/messages"
    answers_kept = False
    wanted = re.compile(
        rb'"type"\s*:\s*"(?:message_start|message_delta|content_block_start|content_block_stop'
        rb'|input_json_delta|thinking_delta|error)"'
    )
    terminal_hints: tuple[bytes, ...] = (b"message_stop", b"error")
    terminal = terminal_event("message_stop", "error")

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        request = object_of(body, _Request)
        if not isinstance(request.model, str) or not request.model:
            raise NotUnderstood("model: Field required")
        last = last_message(request.messages)
        results = [mapping(block) for block in items(last.get("content"))]
        called = [text(block.get("tool_use_id")) for block in results if block.get("type") == "tool_result"]
        return Ask(
            model=request.model,
            body=body,
            stream=request.stream is True,
            prompt=prompt_of(last, ("text",)),
            tool_call_id=next((call for call in reversed(called) if call), None),
            session_id=_session(mapping(request.metadata).get("user_id")),
        )

    def whole(self, body: bytes) -> _Message:
        body = alone(body)
        answer = object_of(body, _WholeMessage)
        kind, message = failure_in(body, answer.error, answers=answer.content is not None or bool(answer.usage))
        blocks = [_block(raw) for raw in answer.content or ()]
        return _Message(answer.id, blocks, mapping(answer.usage), kind, message)

    def fold(self, events: Sequence[bytes]) -> _Message:
        answer = _Message()
        blocks: dict[int | str, _Block] = {}
        inputs: dict[int | str, list[str]] = {}
        thoughts: dict[int | str, list[str]] = {}
        for event in objects(events, _EVENTS):
            index = event.index if isinstance(event.index, int | str) else -1
            match event.type:
                case "content_block_delta":  # first, as most are
                    delta = mapping(event.delta)
                    if piece := delta.get("partial_json"):
                        inputs.setdefault(index, []).append(text(piece))
                    if piece := delta.get("thinking"):
                        thoughts.setdefault(index, []).append(text(piece))
                case "message_start":
                    started = mapping(event.message)
                    answer.id = started.get("id", "")
                    answer.usage = dict(mapping(started.get("usage")))
                case "message_delta":
                    given = mapping(event.usage)
                    answer.usage |= {name: figure for name, figure in given.items() if figure is not None}
                case "content_block_start":
                    blocks[index] = _block(event.content_block)
                    blocks[index].incomplete = True
                case "content_block_stop" if index in blocks:
                    blocks[index].incomplete = False
                case kind if kind == "error" or event.error:
                    before = answer.error_type, answer.error_message
                    answer.error_type, answer.error_message = told(error_of(asdict(event)), before)
        for index, block in blocks.items():
            block.input = "".join(inputs.get(index, ())) or block.input
            block.thinking = text(block.thinking) + "".join(thoughts.get(index, ()))
        answer.content = list(blocks.values())
        return answer

    def read(self, answer: _Message) -> Reading:
        message_id = text(answer.id)
        findings: list[AnswerFinding] = []
        if answer.usage:
            findings.append(_tokens(message_id, answer.usage))
        for block in answer.content:
            kind = text(block.type)
            if kind.endswith("tool_use"):
                findings.append(_tool(message_id, block))
            elif kind == "thinking" and text(block.thinking):
                findings.append(Thought(block.thinking, {"source": "thinking"}))
        return Reading(
            message_id=message_id,
            findings=tuple(findings),
            error_type=answer.error_type,
            error_message=answer.error_message,
        )

    def withheld(self, event: bytes) -> bool:
        return False

    def error(self, status: int, message: str) -> bytes:
        kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


class _WholeMessage(Struct):
    id: Any = ""
    content: list[Raw] | None = None
    usage: Any = None
    error: Any = None


def _block(raw: Raw) -> _Block:
    try:
        block = object_of(bytes(raw), _RawBlock)
    except NotUnderstood:
        return _Block()
    return _Block(block.type, block.id, block.name, block.input, block.thinking, block.server_name)


def _session(user_id: Any) -> str | None:
    """Claude Code names its session within metadata.user_id: as JSON, in older versions behind `_session_`."""
    if not isinstance(user_id, str):
        return None
    if user_id.startswith("{"):
        return text(mapping(user_id.encode("utf-8", "replace")).get("session_id")) or None
    return user_id.partition("_session_")[2] or None


def _tool(message_id: str, block: _Block) -> ToolCall:
    metadata: dict[str, Any] = {}
    if block.type in _SERVER_SIDE:
        metadata["kind"] = "server"
    if isinstance(block.server_name, str):
        metadata["server_name"] = block.server_name
    if block.incomplete:
        metadata["incomplete"] = True
    given = written(block.input)
    return ToolCall(
        message_id=message_id,
        call_id=text(block.id),
        tool=text(block.name),
        input=given or "{}",
        metadata=metadata,
    )


def _tokens(message_id: str, usage: dict[str, Any]) -> Tokens:
    split = mapping(usage.get("cache_creation"))
    extra = {
        "web_search_requests": mapping(usage.get("server_tool_use")).get("web_search_requests"),
        "cache_creation_input": usage.get("cache_creation_input_tokens"),
        "cache_read_input": usage.get("cache_read_input_tokens"),
        "cache_ephemeral_1h_input": split.get("ephemeral_1h_input_tokens"),
        "cache_ephemeral_5m_input": split.get("ephemeral_5m_input_tokens"),
    }
    return Tokens(
        message_id=message_id,
        input=count(usage.get("input_tokens")),
        output=count(usage.get("output_tokens")),
        cache_read=count(usage.get("cache_read_input_tokens")),
        cache_write=count(usage.get("cache_creation_input_tokens")),
        metadata={name: count(figure) for name, figure in extra.items() if figure is not None} | _beside(usage),
    )


# What its name in an iteration is in our metadata.
_BESIDE = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read_input",
    "cache_creation_input_tokens": "cache_creation_input",
}


def _beside(usage: dict[str, Any]) -> Metadata:
    """What other models took, and compactions: it is in none of the sums."""
    found: dict[str, int] = {}
    for each in map(mapping, items(usage.get("iterations"))):
        if (kind := text(each.get("type"))) in ("compaction", "advisor_message"):
            for name, ours in _BESIDE.items():
                if figure := count(each.get(name)):
                    found[f"{kind}_{ours}"] = found.get(f"{kind}_{ours}", 0) + figure
    return {**found}
