"""The same answer, once from Anthropic and once from Bedrock: the same bytes to the client, the same on record."""

import json
from collections.abc import Iterator

import anthropic
import pytest

from tests.bedrock.aws import KEY, REGION, SECRET, event, streamed
from tests.bedrock.running import ASK, PATH, SONNET, STATIC, rows, running, variables
from tests.gateway import Gateway
from tests.provider import Provider, stream

USAGE = {
    "input_tokens": 5,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 11,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 1,
    "server_tool_use": {"web_search_requests": 2},
}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": USAGE,
}  # fmt: skip
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {}}
EVENTS = [
    {"type": "message_start", "message": MESSAGE},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm, \U0001f600"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig=="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": TOOL},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1.50'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ', "b": "é"}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 42}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
]  # fmt: skip
FRAMES = b"".join(map(event, EVENTS))
RECORDED = (
    "provider_response_id, input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens, metadata"
    " FROM aibridge_token_usages",
    "provider_response_id, provider_tool_call_id, tool, input, metadata FROM aibridge_tool_usages",
    "content, metadata FROM aibridge_model_thoughts",
    "provider_response_id, prompt, metadata FROM aibridge_user_prompts",
    "provider, client, status, error_type FROM aibridge_interceptions",
)


@pytest.fixture
def both(tmp_path, provider: Provider) -> Iterator[Gateway]:
    yield from running(tmp_path, provider, **variables(provider.url, **STATIC))


def test_bytes_and_records(both: Gateway, provider: Provider) -> None:
    token = both.user("alice")
    body = json.dumps({**ASK, "stream": True}).encode()
    provider.answers(streamed(FRAMES, 13))
    by_aws = both.request("POST", PATH, body, token=token)
    provider.answers(
        stream(*(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in EVENTS))
    )
    by_anthropic = both.request("POST", PATH.replace("/aws/", "/anthropic/"), body, token=token)
    assert by_aws.body == by_anthropic.body
    for columns in RECORDED:
        one, other = rows(both, f"SELECT {columns} ORDER BY id")
        assert one == other


def test_what_the_official_sdks_make_of_it(both: Gateway, provider: Provider) -> None:
    asked = {**ASK, "model": SONNET}
    keys = {"aws_access_key": KEY, "aws_secret_key": SECRET, "aws_region": REGION}
    provider.answers(streamed(FRAMES, 17))
    with anthropic.AnthropicBedrock(base_url=provider.url, **keys) as sdk, sdk.messages.stream(**asked) as theirs:
        expected = theirs.get_final_message()
    provider.answers(streamed(FRAMES, 17))
    at = f"http://{both.host}:{both.port}{PATH.removesuffix('/v1/messages')}"
    with anthropic.Anthropic(base_url=at, api_key=both.user("alice")) as sdk, sdk.messages.stream(**asked) as ours:
        assert ours.get_final_message() == expected
