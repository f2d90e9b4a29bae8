"""What the simulated provider answers, in the three wire formats, whole and streamed.

Contract: pure. An `Answer` is one thing that a model said; each format has a function for the whole body and
one for the stream's events, made from that body. Formats: https://platform.openai.com/docs/api-reference
(chat completions, responses), https://docs.anthropic.com/en/api/messages-streaming
"""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class Call(Struct, frozen=True):
    tool: str
    arguments: str  # JSON text


class Answer(Struct, frozen=True, kw_only=True):
    model: str
    thought: str
    text: str
    call: Call | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def _pieces(text: str) -> list[str]:
    """The text in deltas of a word each."""
    return [piece + " " for piece in text.split(" ")[:-1]] + text.split(" ")[-1:]


def _data(payload: Json) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def _event(payload: Json) -> bytes:
    return f"event: {payload['type']}\n".encode() + _data(payload)


# Chat completions


def chat_completion(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "reasoning_content": answer.thought}
    if answer.call:
        function = {"name": answer.call.tool, "arguments": answer.call.arguments}
        message["tool_calls"] = [{"id": _id("call"), "type": "function", "function": function}]
    return {
        "id": _id("chatcmpl"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if answer.call else "stop"}],
        "usage": {
            "prompt_tokens": answer.input_tokens + answer.cached_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.cached_tokens + answer.output_tokens,
            "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        },
    }


def chat_completion_events(whole: Json, *, with_usage: bool) -> Iterator[bytes]:
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    (choice,) = whole["choices"]
    message = choice["message"]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _pieces(message["reasoning_content"])]
    deltas += [{"content": piece} for piece in _pieces(message["content"])]
    for index, call in enumerate(message.get("tool_calls", ())):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        deltas.append({"tool_calls": [{**call, "index": index, "function": {"name": name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in _pieces(arguments)]
    for delta in deltas:
        yield _data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if with_usage:
        yield _data({**head, "choices": [], "usage": whole["usage"]})
    yield b"data: [DONE]\n\n"


# Responses


def response(answer: Answer) -> Json:
    summary = [{"type": "summary_text", "text": answer.thought}]
    text = {"type": "output_text", "text": answer.text, "annotations": []}
    output: list[Json] = [
        {"type": "reasoning", "id": _id("rs"), "summary": summary},
        {
            "type": "message",
            "id": _id("msg"),
            "role": "assistant",
            "status": "completed",
            "content": [text],
        },
    ]
    if answer.call:
        output.append(
            {
                "type": "function_call",
                "id": _id("fc"),
                "call_id": _id("call"),
                "name": answer.call.tool,
                "arguments": answer.call.arguments,
                "status": "completed",
            }
        )
    return {
        "id": _id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": answer.input_tokens + answer.cached_tokens,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.thought) // 4},
            "total_tokens": answer.input_tokens + answer.cached_tokens + answer.output_tokens,
        },
    }


def response_events(whole: Json) -> Iterator[bytes]:
    empty = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[Json] = [{"type": f"response.{state}", "response": empty} for state in ("created", "in_progress")]
    for index, item in enumerate(whole["output"]):
        events += _item_events(index, item)
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield _event({**event, "sequence_number": number})


def _item_events(index: int, item: Json) -> Iterator[Json]:
    at: Json = {"output_index": index, "item_id": item["id"]}
    match item["type"]:
        case "reasoning":
            (part,) = item["summary"]
            blank = {**item, "summary": []}
            inner = _text_events("response.reasoning_summary", {**at, "summary_index": 0}, part)
        case "message":
            (part,) = item["content"]
            blank = {**item, "status": "in_progress", "content": []}
            inner = _text_events("response.content", {**at, "content_index": 0}, part)
        case _:
            blank = {**item, "status": "in_progress", "arguments": ""}
            inner = _argument_events(at, item["arguments"])
    yield {"type": "response.output_item.added", "output_index": index, "item": blank}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text_events(name: str, at: Json, part: Json) -> Iterator[Json]:
    text = "response.output_text" if name == "response.content" else f"{name}_text"
    yield {"type": f"{name}_part.added", **at, "part": {**part, "text": ""}}
    for piece in _pieces(part["text"]):
        yield {"type": f"{text}.delta", **at, "delta": piece}
    yield {"type": f"{text}.done", **at, "text": part["text"]}
    yield {"type": f"{name}_part.done", **at, "part": part}


def _argument_events(at: Json, arguments: str) -> Iterator[Json]:
    for piece in _pieces(arguments):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **at, "arguments": arguments}


# Messages


def message(answer: Answer) -> Json:
    content: list[Json] = [
        {"type": "thinking", "thinking": answer.thought, "signature": "c2ltdWxhdGVk"},
        {"type": "text", "text": answer.text},
    ]
    if answer.call:
        arguments = json.loads(answer.call.arguments)
        content.append({"type": "tool_use", "id": _id("toolu"), "name": answer.call.tool, "input": arguments})
    return {
        "id": _id("msg"),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": "tool_use" if answer.call else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.cached_tokens,
            "output_tokens": answer.output_tokens,
        },
    }


def message_events(whole: Json) -> Iterator[bytes]:
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield _event({"type": "message_start", "message": begun})
    for index, block in enumerate(whole["content"]):
        blank, deltas = _block(block)
        yield _event({"type": "content_block_start", "index": index, "content_block": blank})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    yield _event({"type": "message_delta", "delta": ended, "usage": usage})
    yield _event({"type": "message_stop"})


def _block(block: Json) -> tuple[Json, list[Json]]:
    """How a content block begins, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        case _:
            text = json.dumps(block["input"])
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text)
            ]
