"""Tools that are called, and what comes of them: messages, and exchanges on one thread."""

import json

from tests.exchange import MESSAGES, post
from tests.gateway import Gateway
from tests.provider import Provider, whole

# Of Anthropic's format: a call, and its result.
ANSWERED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "done"}


def call(
    provider: Provider, gateway: Gateway, token: str, call_id: str, result_of: str | None = None, **headers: str
) -> dict:
    """One exchange, in which the model calls a tool; its start as recorded."""
    content = [{"type": "tool_result", "tool_use_id": result_of, "content": "ok"}] if result_of else "go"
    ask = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}
    used = {"type": "tool_use", "id": call_id, "name": "Bash", "input": {}}
    provider.answers(
        whole(json.dumps({"id": f"msg_{call_id}", "content": [used], "usage": {"input_tokens": 1}}).encode())
    )
    post(gateway, MESSAGES, json.dumps(ask).encode(), token, **headers)
    return [record for record in gateway.records() if record["record_type"] == "interception_start"][-1]


def thread(start: dict) -> tuple[str, str]:
    return start["thread_parent_id"], start["thread_root_id"]
