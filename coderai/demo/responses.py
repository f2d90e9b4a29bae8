"""The simulated provider's responses, whole and streamed.

Spec: https://platform.openai.com/docs/api-reference/responses
"""

import time
from collections.abc import Iterator

from coderai.demo.answers import Answer, Json, event, new_id, pieces


def response(answer: Answer) -> Json:
    summary = [{"type": "summary_text", "text": answer.thought}]
    text = {"type": "output_text", "text": answer.text, "annotations": []}
    output: list[Json] = [
        {"type": "reasoning", "id": new_id("rs"), "summary": summary},
        {
            "type": "message",
            "id": new_id("msg"),
            "role": "assistant",
            "status": "completed",
            "content": [text],
        },
    ]
    if answer.call:
        output.append(
            {
                "type": "function_call",
                "id": new_id("fc"),
                "call_id": new_id("call"),
                "name": answer.call.tool,
                "arguments": answer.call.arguments,
                "status": "completed",
            }
        )
    return {
        "id": new_id("resp"),
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
    for number, each in enumerate(events):
        yield event({**each, "sequence_number": number})


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
    for piece in pieces(part["text"]):
        yield {"type": f"{text}.delta", **at, "delta": piece}
    yield {"type": f"{text}.done", **at, "text": part["text"]}
    yield {"type": f"{name}_part.done", **at, "part": part}


def _argument_events(at: Json, arguments: str) -> Iterator[Json]:
    for piece in pieces(arguments):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **at, "arguments": arguments}
