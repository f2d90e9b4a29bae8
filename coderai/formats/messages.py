"""Anthropic's messages. Spec: https://docs.anthropic.com/en/api/messages, /en/docs/build-with-claude/streaming"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from coderai.formats.failure import Failure, error_of, failure_in, told, unwrapped
from coderai.formats.format import Ask, Reading
from coderai.formats.loose import mapping, object_of, objects, text
from coderai.formats.message_blocks import Block, block_of, failures_in, tool_of
from coderai.formats.message_request import ask_of
from coderai.formats.message_usage import tokens_of
from coderai.formats.terminal import terminal_event
from coderai.records import AnswerFinding, Thought


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
    stop_reason: Any = None
    failure: Failure = (None, None)


# Why an answer ended amid its last block.
_CUT = ("max_tokens", "model_context_window_exceeded")
_INDEX = (int, float, str)  # as a tuple: a union would be made anew for each event

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
    answers_kept = True
    wanted = re.compile(
        rb'"type"\s*:\s*"(?:message_start|message_delta|content_block_start|content_block_stop'
        rb'|input_json_delta|thinking_delta|error)"'
    )
    terminal_hints: tuple[bytes, ...] = (b"message_stop", b"error")
    terminal = terminal_event("message_stop", "error")

    def ask(self, body: bytes, *, include_usage: bool = True) -> Ask:
        return ask_of(body)

    def whole(self, body: bytes) -> _Message:
        body = unwrapped(body)
        answer = object_of(body, _WholeMessage)
        failure = failure_in(body, answer.error, answers=answer.content is not None or bool(answer.usage))
        blocks = [block_of(raw) for raw in answer.content or ()]
        return _Message(answer.id, blocks, mapping(answer.usage), answer.stop_reason, failure)

    def fold(self, events: Sequence[bytes]) -> _Message:
        answer = _Message()
        blocks: dict[float | str, Block] = {}  # the latest of each index, and what came for it
        inputs: dict[float | str, list[str]] = {}
        thoughts: dict[float | str, list[str]] = {}
        for event in objects(events, _EVENTS):
            index = event.index if isinstance(event.index, _INDEX) else -1
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
                    answer.stop_reason = mapping(event.delta).get("stop_reason")
                    given = mapping(event.usage)
                    answer.usage |= {name: figure for name, figure in given.items() if figure is not None}
                case "content_block_start":
                    if index in blocks:  # another of one index, as proxies write that count nothing
                        blocks[index].take(inputs.pop(index, ()), thoughts.pop(index, ()))
                    blocks[index] = block_of(event.content_block)
                    blocks[index].incomplete = True
                    answer.content.append(blocks[index])
                case "content_block_stop" if index in blocks:
                    blocks[index].incomplete = False
                case kind if kind == "error" or event.error:
                    answer.failure = told(error_of(asdict(event)), answer.failure)
        for index, block in blocks.items():
            block.take(inputs.get(index, ()), thoughts.get(index, ()))
        return answer

    def read(self, answer: _Message) -> Reading:
        message_id = text(answer.id)
        findings: list[AnswerFinding] = []
        if answer.usage:
            findings.append(tokens_of(message_id, answer.usage))
        failures = failures_in(answer.content)
        if answer.content and answer.stop_reason in _CUT:
            answer.content[-1].incomplete = True
        for block in answer.content:
            kind = text(block.type)
            if kind.endswith("tool_use"):
                findings.append(tool_of(message_id, block, failures))
            elif kind == "thinking" and text(block.thinking):
                findings.append(Thought(block.thinking, {"source": "thinking"}))
        error_type, error_message = answer.failure
        return Reading(
            message_id=message_id,
            findings=tuple(findings),
            error_type=error_type,
            error_message=error_message,
        )

    def withheld(self, event: bytes) -> bool:
        return False

    def error(self, status: int, message: str) -> bytes:
        kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


class _WholeMessage(Struct):
    id: Any = ""
    stop_reason: Any = None
    content: list[Raw] | None = None
    usage: Any = None
    error: Any = None
