"""The simulated provider's chat completions, whole and streamed.

Spec: https://platform.openai.com/docs/api-reference/chat
"""

import time
from collections.abc import Iterator

from coderai.demo.answers import Answer, Json, data, new_id, pieces


def chat_completion(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "reasoning_content": answer.thought}
    if answer.call:
        function = {"name": answer.call.tool, "arguments": answer.call.arguments}
        message["tool_calls"] = [{"id": new_id("call"), "type": "function", "function": function}]
    return {
        "id": new_id("chatcmpl"),
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
    deltas += [{"reasoning_content": piece} for piece in pieces(message["reasoning_content"])]
    deltas += [{"content": piece} for piece in pieces(message["content"])]
    for index, call in enumerate(message.get("tool_calls", ())):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        deltas.append({"tool_calls": [{**call, "index": index, "function": {"name": name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces(arguments)]
    for delta in deltas:
        yield data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield data({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if with_usage:
        yield data({**head, "choices": [], "usage": whole["usage"]})
    yield b"data: [DONE]\n\n"
