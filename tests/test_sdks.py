"""The official SDKs work through the gateway, and what they did is on record."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.gateway import Gateway
from tests.provider import Provider, stream, whole

pytestmark = pytest.mark.on_both_databases

TOOL = {"type": "object", "properties": {"path": {"type": "string"}}}


def event(data: dict[str, Any], name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def openai_sdk(gateway: Gateway, token: str) -> Iterator[openai.OpenAI]:
    url = f"http://{gateway.host}:{gateway.port}/api/v2/aibridge/openai/v1"
    with openai.OpenAI(base_url=url, api_key=token, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_sdk(gateway: Gateway, token: str) -> Iterator[anthropic.Anthropic]:
    url = f"http://{gateway.host}:{gateway.port}/api/v2/aibridge/anthropic"
    with anthropic.Anthropic(base_url=url, api_key=token, max_retries=0) as client:
        yield client


class Trail:
    """The records written since it was made."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._known = len(gateway.records()) if gateway.log.exists() else 0

    def __getitem__(self, record_type: str) -> list[dict[str, Any]]:
        return [r for r in self._gateway.records()[self._known :] if r["record_type"] == record_type]


@pytest.fixture
def trail(gateway: Gateway) -> Trail:
    return Trail(gateway)


def completion(**message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4.1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, **message}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 8}},
    }  # fmt: skip


def test_openai_chat_completion(provider: Provider, openai_sdk: openai.OpenAI, trail: Trail) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
    provider.answers(whole(json.dumps(completion(tool_calls=[call])).encode()))
    answer = openai_sdk.chat.completions.create(
        model="gpt-4.1",
        messages=[{"role": "user", "content": "read a"}],
        tools=[{"type": "function", "function": {"name": "read", "parameters": TOOL}}],
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "read"
    assert answer.usage.prompt_tokens == 20
    (start,), (prompt,), (tokens,), (tool,), (end,) = (
        trail[kind] for kind in ("interception_start", "prompt_usage", "token_usage", "tool_usage", "interception_end")
    )
    assert (start["provider"], start["model"]) == ("openai", "gpt-4.1")
    assert start["metadata"]["request_user_agent"].startswith("OpenAI/Python")
    assert (prompt["prompt"], prompt["msg_id"]) == ("read a", "chatcmpl-1")
    assert (tokens["input_tokens"], tokens["output_tokens"], tokens["cache_read_input_tokens"]) == (12, 5, 8)
    assert (tool["tool"], tool["tool_call_id"], tool["input"]) == ("read", "call_1", '{"path": "a"}')
    assert (end["status"], end["error_type"]) == (200, None)


def test_openai_chat_stream_that_did_not_ask_for_usage(
    provider: Provider, openai_sdk: openai.OpenAI, trail: Trail
) -> None:
    base = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4.1"}
    text = [base | {"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("one ", "two")]
    usage = base | {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    provider.answers(stream(*map(event, text), event(usage), b"data: [DONE]\n\n"))
    chunks = list(
        openai_sdk.chat.completions.create(
            model="gpt-4.1", stream=True, messages=[{"role": "user", "content": "count"}]
        )
    )
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["one ", "two"]
    (tokens,) = trail["token_usage"]
    assert (tokens["input_tokens"], tokens["output_tokens"]) == (3, 2)


def response(status: str, *output: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-5", "output": list(output),
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {"input_tokens": 30, "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 6,
                  "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 36},
    }  # fmt: skip


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "think first"}]}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_9",
    "name": "shell",
    "arguments": '{"cmd":"ls"}',
    "status": "completed",
}


def test_openai_response(provider: Provider, openai_sdk: openai.OpenAI, trail: Trail) -> None:
    provider.answers(whole(json.dumps(response("completed", REASONING, CALL)).encode()))
    answer = openai_sdk.responses.create(model="gpt-5", input="list files")
    assert answer.output[1].name == "shell"
    assert trail["prompt_usage"][0]["prompt"] == "list files"
    assert trail["model_thought"][0]["content"] == "think first"
    assert (trail["tool_usage"][0]["tool_call_id"], trail["tool_usage"][0]["input"]) == (
        "call_9",
        '{"cmd":"ls"}',
    )
    assert trail["token_usage"][0]["input_tokens"] == 20


def test_openai_response_stream(provider: Provider, openai_sdk: openai.OpenAI, trail: Trail) -> None:
    whole_response = response("completed", REASONING, CALL)
    provider.answers(
        stream(
            event({"type": "response.created", "sequence_number": 0, "response": response("in_progress")}, "response.created"),
            event({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "output_index": 0,
                   "content_index": 0, "delta": "hi", "logprobs": []}, "response.output_text.delta"),
            event({"type": "response.completed", "sequence_number": 2, "response": whole_response}, "response.completed"),
        )
    )  # fmt: skip
    events = list(openai_sdk.responses.create(model="gpt-5", input="list files", stream=True))
    assert [one.type for one in events] == [
        "response.created",
        "response.output_text.delta",
        "response.completed",
    ]
    assert trail["tool_usage"][0]["tool"] == "shell"
    assert trail["token_usage"][0]["output_tokens"] == 6


def message(*content: dict[str, Any], **usage: int) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": list(content),
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1, **usage},
    }  # fmt: skip


def test_anthropic_message(provider: Provider, anthropic_sdk: anthropic.Anthropic, trail: Trail) -> None:
    thinking = {"type": "thinking", "thinking": "let me see", "signature": "sig=="}
    call = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}
    provider.answers(whole(json.dumps(message(thinking, call, output_tokens=9)).encode()))
    answer = anthropic_sdk.messages.create(
        model="claude-x",
        max_tokens=100,
        messages=[{"role": "user", "content": "read a"}],
        tools=[{"name": "read", "input_schema": TOOL}],
    )
    assert answer.content[1].input == {"path": "a"}
    assert trail["model_thought"][0]["content"] == "let me see"
    assert (trail["tool_usage"][0]["tool_call_id"], json.loads(trail["tool_usage"][0]["input"])) == (
        "toolu_1",
        {"path": "a"},
    )
    assert trail["token_usage"][0]["output_tokens"] == 9


def test_anthropic_stream(provider: Provider, anthropic_sdk: anthropic.Anthropic, trail: Trail) -> None:
    """facts.md E13.2: the last cumulative figure counts, never a sum."""
    block = {"type": "tool_use", "id": "toolu_2", "name": "read", "input": {}}
    provider.answers(
        stream(
            event({"type": "message_start", "message": message()}, "message_start"),
            event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"),
            event({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"path"'}}, "content_block_delta"),
            event({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ': "b"}'}}, "content_block_delta"),
            event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
            event({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}}, "message_delta"),
            event({"type": "message_stop"}, "message_stop"),
        )
    )  # fmt: skip
    with anthropic_sdk.messages.stream(
        model="claude-x", max_tokens=100, messages=[{"role": "user", "content": "read b"}]
    ) as running:
        final = running.get_final_message()
    assert final.content[0].input == {"path": "b"}
    assert final.usage.output_tokens == 12
    assert trail["tool_usage"][0]["input"] == '{"path": "b"}'
    assert (trail["token_usage"][0]["input_tokens"], trail["token_usage"][0]["output_tokens"]) == (11, 12)


def test_the_sdks_understand_a_refusal(gateway: Gateway) -> None:
    """facts.md E13.11: a missing token is a 401 in the provider's own shape."""
    root = f"http://{gateway.host}:{gateway.port}/api/v2/aibridge"
    bad = "AAAAAAAAAA-0123456789abcdef012345"
    with (
        openai.OpenAI(base_url=f"{root}/openai/v1", api_key=bad) as client,
        pytest.raises(openai.AuthenticationError) as failed,
    ):
        client.chat.completions.create(model="m", messages=[])
    assert failed.value.code == "invalid_api_key"
    with (
        anthropic.Anthropic(base_url=f"{root}/anthropic", api_key=bad) as client,
        pytest.raises(anthropic.AuthenticationError) as refused,
    ):
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert refused.value.body["error"]["type"] == "authentication_error"
