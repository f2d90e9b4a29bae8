"""The simulated provider's messages, whole and streamed.

Spec: https://docs.anthropic.com/en/api/messages-streaming
"""

import json
from collections.abc import Iterator

from coderai.demo.answers import Answer, Json, event, new_id, pieces


def message(answer: Answer) -> Json:
    content: list[Json] = [
        {"type": "thinking", "thinking": answer.thought, "signature": "c2ltdWxhdGVk"},
        {"type": "text", "text": answer.text},
    ]
    if answer.call:
        arguments = json.loads(answer.call.arguments)
        content.append({"type": "tool_use", "id": new_id("toolu"), "name": answer.call.tool, "input": arguments})
    return {
        "id": new_id("msg"),
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
    yield event({"type": "message_start", "message": begun})
    for index, block in enumerate(whole["content"]):
        blank, deltas = _block(block)
        yield event({"type": "content_block_start", "index": index, "content_block": blank})
        for delta in deltas:
            yield event({"type": "content_block_delta", "index": index, "delta": delta})
        yield event({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    yield event({"type": "message_delta", "delta": ended, "usage": usage})
    yield event({"type": "message_stop"})


def _block(block: Json) -> tuple[Json, list[Json]]:
    """How a content block begins, and the deltas that fill it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        case _:
            text = json.dumps(block["input"])
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": piece} for piece in pieces(text)
            ]
