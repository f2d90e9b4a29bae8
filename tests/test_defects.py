"""Each defect of the reference engine (shared/facts.md, E13) that coderai must not have, by its number.

10 is in test_bodies.py, 16 in test_retention.py. 15 (dumps) belongs to a feature that coderai does not have yet.
"""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, RESPONSES, START, STOP, TEXT, Reader, post
from tests.gateway import Gateway
from tests.provider import CUT, Pause, Provider, chunk, stream, whole

CHAT_STREAM = (
    b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"q"}]}'
)
RESPONSES_STREAM = b'{"model":"m","stream":true,"input":"question"}'
DONE = b"data: [DONE]\n\n"


def sse(**data: object) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@pytest.fixture
def trail(gateway: Gateway):
    """The records of one type since the test began."""
    known = len(gateway.records()) if gateway.log.exists() else 0
    return lambda kind: [record for record in gateway.records()[known:] if record["record_type"] == kind]


def test_e13_1_no_event_is_rewritten(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(stream(START, TEXT, DELTA, STOP))
    assert post(gateway, MESSAGES, ASK_STREAM, token).body == START + TEXT + DELTA + STOP


def test_e13_2_cumulative_output_tokens_are_not_added(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    provider.answers(stream(START, DELTA.replace(b"5", b"3"), DELTA, STOP))
    post(gateway, MESSAGES, ASK_STREAM, token)
    assert [record["output_tokens"] for record in trail("token_usage")] == [5]


def test_e13_3_usage_is_not_lost_to_a_later_chunk(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 0}
    provider.answers(stream(sse(id="c", choices=[], usage=usage), sse(id="c", choices=[], usage=None), DONE))
    post(gateway, CHAT, CHAT_STREAM, token)
    assert [(record["input_tokens"], record["output_tokens"]) for record in trail("token_usage")] == [(4, 0)]


def test_e13_4_parallel_tool_calls_are_all_recorded(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    calls = [{"index": n, "id": f"call_{n}", "function": {"name": f"f{n}", "arguments": "{}"}} for n in range(3)]
    choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}
    provider.answers(stream(sse(id="c", choices=[choice]), DONE))
    post(gateway, CHAT, CHAT_STREAM, token)
    assert [record["tool"] for record in trail("tool_usage")] == ["f0", "f1", "f2"]


def test_e13_5_reasoning_is_captured(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    for name in ("reasoning_content", "reasoning"):
        deltas = [sse(id="c", choices=[{"index": 0, "delta": {name: word}}]) for word in ("why ", "not")]
        provider.answers(stream(*deltas, DONE))
        post(gateway, CHAT, CHAT_STREAM, token)
    assert [record["content"] for record in trail("model_thought")] == ["why not", "why not"]


@pytest.mark.parametrize("final", ["completed", "incomplete", "failed"])
def test_e13_6_every_final_event_counts(gateway: Gateway, provider: Provider, token: str, trail, final: str) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    answer = {"id": "resp_e13", "output": [call], "usage": {"input_tokens": 2, "output_tokens": 1}}
    provider.answers(stream(sse(type=f"response.{final}", response=answer)))
    post(gateway, RESPONSES, RESPONSES_STREAM, token)
    assert len(trail("token_usage")) == len(trail("tool_usage")) == 1


def test_e13_7_nothing_is_buffered_until_the_end(gateway: Gateway, provider: Provider, token: str) -> None:
    more = Pause()
    delta = sse(type="response.output_text.delta", delta="hi")
    final = sse(type="response.completed", response={"id": "resp_7", "output": []})
    provider.answers(stream(delta, ended=False), more, chunk(final) + b"0\r\n\r\n")
    with Reader(gateway, RESPONSES, RESPONSES_STREAM, token) as client:
        client.until(delta)
        more.go()
        client.until(b"0\r\n\r\n")


def test_e13_8_a_prompt_is_kept_when_the_provider_fails(
    gateway: Gateway, provider: Provider, token: str, trail
) -> None:
    provider.answers(whole(b'{"error":{"message":"no","type":"server_error"}}', "500 Oh No"))
    post(gateway, RESPONSES, RESPONSES_STREAM, token)
    assert [record["prompt"] for record in trail("prompt_usage")] == ["question"]


def test_e13_9_response_headers_pass(gateway: Gateway, provider: Provider, token: str) -> None:
    fields = ("anthropic-ratelimit-requests-remaining: 9", "request-id: req_1", "retry-after: 3")
    for answer in (
        whole(b"{}", headers=fields),
        stream(START, STOP, headers=("Content-Type: text/event-stream", *fields)),
    ):
        provider.answers(answer)
        got = post(gateway, MESSAGES, ASK_STREAM, token)
        assert [f"{name}: {value}" for name, value in got.headers if f"{name}: {value}" in fields] == list(fields)


def test_e13_11_bad_json_is_400_and_no_token_401_in_the_provider_s_shape(gateway: Gateway, token: str) -> None:
    bad = post(gateway, MESSAGES, b"{", token)
    assert (bad.status, bad.json()["error"]["type"]) == (400, "invalid_request_error")
    anonymous = gateway.request("POST", MESSAGES, ASK)
    assert (anonymous.status, anonymous.json()["error"]["type"]) == (401, "authentication_error")


def test_e13_12_failures_are_recorded_with_their_error(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    provider.answers(whole(b'{"type":"error","error":{"type":"overloaded_error","message":"later"}}', "529 Overloaded"))
    post(gateway, MESSAGES, ASK, token)
    (end,) = trail("interception_end")
    assert (end["status"], end["error_type"], end["error_message"]) == (529, "overloaded_error", "later")
    assert len(trail("prompt_usage")) == 1


def test_e13_13_a_passthrough_leaves_an_audit_line(gateway: Gateway, provider: Provider, token: str, trail) -> None:
    provider.answers(whole(b"{}"))
    gateway.request("GET", "/api/v2/aibridge/openai/v1/models/m", token=token)
    assert [record["route"] for record in trail("passthrough")] == ["/models/m"]


def test_e13_14_headers_named_in_connection_stay(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(b"{}"))
    post(gateway, CHAT, ASK, token, Connection="X-Mine", X_Mine="1")
    assert provider.requests[0].header("X-Mine") is None


def test_e13_17_an_unreachable_provider_is_no_empty_200(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(CUT)
    provider.answers(CUT)
    assert post(gateway, MESSAGES, ASK, token).status == 502


def test_e13_18_every_thought_has_an_id(gateway: Gateway, provider: Provider, token: str) -> None:
    parts = [{"type": "summary_text", "text": text} for text in ("one", "two")]
    answer = {"id": "resp_18", "output": [{"type": "reasoning", "summary": parts}]}
    provider.answers(whole(json.dumps(answer).encode()))
    post(gateway, RESPONSES, b'{"model":"m","input":"x"}', token)
    with closing(sqlite3.connect(gateway.database)) as database:
        rows = database.execute(
            "SELECT id, content FROM aibridge_model_thoughts ORDER BY rowid DESC LIMIT 2"
        ).fetchall()
    assert {content for _, content in rows} == {"one", "two"}
    assert len({identity for identity, _ in rows}) == 2
