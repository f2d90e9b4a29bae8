"""A model that real clients can talk to: it calls a shell tool once when asked to RUNTOOL, and then says what it saw."""

import json
from collections.abc import Sequence
from typing import Any

from tests.provider import Received, Step, stream, whole

COMMAND = "echo hello-from-tool"
SAW = "I saw hello-from-tool"
PLAIN = "Just words"


def answer(request: Received) -> Sequence[Step]:
    if request.method != "POST":
        return [whole(b'{"object":"list","data":[]}')]
    if request.target.partition("?")[0].endswith("/count_tokens"):
        return [whole(b'{"input_tokens":3}')]
    body = json.loads(request.body)
    number = f"{abs(hash(request.body)) % 10**8:08}"
    if "messages" not in body:
        return responses(body, number)
    return messages(body, number) if "/messages" in request.target else chat(body, number)


def wish(body: dict[str, Any], said: list[Any]) -> tuple[str, bool]:
    """What to say, and whether to call the tool first: only where there are tools and no result yet."""
    behind = [one for one in said if one.get("role") not in ("system", "developer")]
    last = json.dumps(behind[-1]) if behind else ""
    if "hello-from-tool" in last:
        return SAW, False
    return PLAIN, "RUNTOOL" in last and bool(body.get("tools"))


def event(data: dict[str, Any], named: bool = True) -> bytes:
    head = f"event: {data['type']}\n" if named else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def messages(body: dict[str, Any], number: str) -> Sequence[Step]:
    text, call = wish(body, body["messages"])
    usage = {"input_tokens": 11, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": []}
    block = (
        {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {}}
        if call
        else {"type": "text", "text": ""}
    )
    given = json.dumps({"command": COMMAND, "description": "say hello"})
    delta = {"type": "input_json_delta", "partial_json": given} if call else {"type": "text_delta", "text": text}
    stop = {"stop_reason": "tool_use" if call else "end_turn", "stop_sequence": None}
    if not body.get("stream"):
        return [
            whole(json.dumps(message | stop | {"content": [{"type": "text", "text": text}], "usage": usage}).encode())
        ]
    start = message | {"stop_reason": None, "stop_sequence": None, "usage": usage}
    return stream(
        event({"type": "message_start", "message": start}),
        event({"type": "content_block_start", "index": 0, "content_block": block}),
        event({"type": "content_block_delta", "index": 0, "delta": delta}),
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 9}}),
        event({"type": "message_stop"}),
    )


def responses(body: dict[str, Any], number: str) -> Sequence[Step]:
    said = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    text, call = wish(body, said)
    response = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": body["model"],
        "status": "in_progress",
        "output": [],
    }
    item: dict[str, Any] = {
        "type": "message", "id": f"m_{number}", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }  # fmt: skip
    if call:
        given = json.dumps({"cmd": COMMAND})
        item = {
            "type": "function_call",
            "id": f"fc_{number}",
            "call_id": f"call_{number}",
            "name": "exec_command",
            "arguments": given,
            "status": "completed",
        }
    usage = {
        "input_tokens": 20, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 27,
    }  # fmt: skip
    return stream(
        event({"type": "response.created", "response": response}),
        event({"type": "response.output_item.done", "output_index": 0, "item": item}),
        event(
            {
                "type": "response.completed",
                "response": response | {"status": "completed", "output": [item], "usage": usage},
            }
        ),
    )


def chat(body: dict[str, Any], number: str) -> Sequence[Step]:
    text, call = wish(body, body["messages"])
    base = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    function = {"name": "bash", "arguments": json.dumps({"command": COMMAND, "description": "say hello"})}
    delta: dict[str, Any] = {"role": "assistant", "content": text}
    if call:
        delta = {
            "role": "assistant",
            "tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}],
        }
    usage = {
        "prompt_tokens": 15,
        "completion_tokens": 4,
        "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 6},
    }
    return stream(
        event(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, named=False),
        event(
            base | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"}]},
            named=False,
        ),
        event(base | {"choices": [], "usage": usage}, named=False),
        b"data: [DONE]\n\n",
    )
