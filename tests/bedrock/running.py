"""A gateway before Amazon Bedrock: what it is asked, and what AWS answers."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from tests.bedrock.aws import KEY, REGION, SECRET, event
from tests.gateway import Gateway
from tests.provider import Provider

PATH = "/api/v2/aibridge/aws/v1/messages"
SONNET = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
ASK = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 4000,
    "messages": [{"role": "user", "content": "list the files"}],
}
EVENTS = [
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "I look"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1,
     "content_block": {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
]  # fmt: skip
STREAM = b"".join(map(event, EVENTS))
SSE = b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in EVENTS)
WHOLE = b'{"id": "msg_2", "type": "message", "content": [], "usage": {"input_tokens": 3, "output_tokens": 4}}'


def variables(url: str, **more: str) -> dict[str, str]:
    fields = {"TYPE": "anthropic", "NAME": "aws", "BEDROCK_BASE_URL": url, "BEDROCK_REGION": REGION, **more}
    return {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in fields.items()}


STATIC = {"BEDROCK_ACCESS_KEY": KEY, "BEDROCK_ACCESS_KEY_SECRET": SECRET}


def running(folder, provider: Provider, **env: str) -> Iterator[Gateway]:
    gateway = Gateway(folder, provider.url, **env)
    yield gateway
    assert gateway.stop() == 0
    written = gateway.log.read_text() + gateway.stderr.read_text()
    assert SECRET not in written
    assert SECRET.encode() not in gateway.database.read_bytes()


def ask(gateway: Gateway, token: str, headers: dict[str, str] | None = None, **more):
    return gateway.request("POST", PATH, json.dumps({**ASK, **more}).encode(), headers, token=token)


def rows(gateway: Gateway, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(gateway.database)) as database:
        return database.execute(sql).fetchall()
