"""What is served, to whom, and that nothing else is ever forwarded."""

import threading
from pathlib import Path

import pytest

from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import Provider, whole

pytestmark = pytest.mark.on_both_databases

OPENAI = "/api/v2/aibridge/openai"
ANTHROPIC = "/api/v2/aibridge/anthropic"
CHAT = f"{OPENAI}/v1/chat/completions"
MESSAGES = f"{ANTHROPIC}/v1/messages"
ASK = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'


@pytest.mark.parametrize("prefix", ["/api/v2/aibridge", "/api/v2/ai-gateway"])
@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("POST", "/openai/v1/chat/completions", "/v1/chat/completions"),
        ("POST", "/openai/v1/responses", "/v1/responses"),
        ("POST", "/openai/v1/responses/compact", "/v1/responses/compact"),
        ("GET", "/openai/v1/models", "/v1/models"),
        ("GET", "/openai/v1/models/", "/v1/models/"),
        ("GET", "/openai/v1/models/gpt-4.1?x=%20", "/v1/models/gpt-4.1?x=%20"),
        ("POST", "/openai/v1/conversations", "/v1/conversations"),
        ("POST", "/openai/v1/responses/input_tokens", "/v1/responses/input_tokens"),
        ("POST", "/anthropic/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("GET", "/anthropic/v1/models", "/v1/models"),
        ("GET", "/anthropic/v1/models/", "/v1/models/"),
        ("GET", "/anthropic/v1/models/claude-x", "/v1/models/claude-x"),
        ("POST", "/anthropic/v1/messages/count_tokens?beta=true", "/v1/messages/count_tokens?beta=true"),
        ("POST", "/anthropic/api/event_logging/batch", "/api/event_logging/batch"),
    ],
)
def test_routes(
    gateway: Gateway, provider: Provider, token: str, prefix: str, method: str, path: str, upstream: str
) -> None:
    provider.answers(whole(b'{"object":"x"}'))
    answer = gateway.request(method, prefix + path, ASK if method == "POST" else None, token=token)
    assert (answer.status, answer.body) == (200, b'{"object":"x"}')
    (received,) = provider.requests
    assert (received.method, received.target) == (method, upstream)
    key = received.header("X-Api-Key") or received.header("Authorization").removeprefix("Bearer ")
    assert key == PROVIDER_KEY


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{OPENAI}/v1/responses"),
        ("GET", CHAT),
        ("PUT", CHAT),
        ("DELETE", f"{OPENAI}/v1/models/ft-mine"),
        ("POST", f"{OPENAI}/v1/models"),
        ("GET", f"{OPENAI}/v1/files"),
        ("POST", f"{OPENAI}/v1/completions"),
        ("GET", f"{OPENAI}/v1/organization/admin_api_keys"),
        ("GET", f"{OPENAI}/v1/models/../organization/users"),
        ("GET", f"{OPENAI}/v1/models/%2e%2e/organization/users"),
        ("GET", f"{OPENAI}/v1/models/%2E./organization/users"),
        ("GET", f"{OPENAI}/v1/models/a%2f..%2fusers"),
        ("GET", f"{OPENAI}/v1/models/%252e%252e/users"),
        ("GET", f"{OPENAI}/v1/models/..%25253fusers"),
        ("GET", f"{OPENAI}/v1/models/a%5Cusers"),
        ("GET", f"{OPENAI}/v1/models//x"),
        ("GET", f"{OPENAI}/v1//models"),
        ("GET", f"{OPENAI}/v1/models\\x"),
        ("GET", f"{OPENAI}/v1/models/..;/organization/users"),
        ("GET", f"{OPENAI}/v1/models/..;v=1"),
        ("GET", f"{OPENAI}/v1/models/.%3b/x"),
        ("GET", f"{OPENAI}/v1/models/..#"),
        ("GET", f"{OPENAI}/v1/models/..%23"),
        ("GET", f"{OPENAI}/v1/models/..%3Fx"),
        ("GET", f"{OPENAI}/v1/models/.."),
        ("GET", f"{OPENAI}/v1/models/./x"),
        ("GET", f"{OPENAI}/v1/models/x%00"),
        ("GET", f"{OPENAI}/models"),
        ("POST", f"{OPENAI}/v1/chat/completions/"),
        ("POST", f"{ANTHROPIC}/v1/messages/batches"),
        ("POST", f"{ANTHROPIC}/v1/complete"),
        ("GET", f"{ANTHROPIC}/v1/organizations/invites"),
        ("GET", ANTHROPIC),
    ],
)
def test_anything_else_is_never_forwarded(
    gateway: Gateway, provider: Provider, token: str, method: str, path: str
) -> None:
    answer = gateway.request(method, path, ASK if method == "POST" else None, token=token)
    assert answer.status == 404
    assert "route not supported" in answer.json()["error"]["message"]
    assert answer.header("x-should-retry") == "false"
    assert provider.requests == []


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (f"{OPENAI}/chat/completions", CHAT),
        (f"{OPENAI}/v1/v1/chat/completions", CHAT),
        (f"{OPENAI}/v1//chat/completions", CHAT),
        (f"{OPENAI}/responses/", f"{OPENAI}/v1/responses"),
        (f"{ANTHROPIC}/messages", f"{ANTHROPIC}/v1/messages"),
        (f"{ANTHROPIC}/v1/v1/messages", f"{ANTHROPIC}/v1/messages"),
        (f"{OPENAI}/v1/messages", None),
        (f"{OPENAI}/v1/embeddings", None),
        (f"{OPENAI}/{'/' * 30_000}", None),
    ],
)
def test_the_path_that_another_base_url_would_have_given_is_named(
    gateway: Gateway, provider: Provider, token: str, path: str, meant: str | None
) -> None:
    answer = gateway.request("POST", path, ASK, token=token)
    message = answer.json()["error"]["message"]
    assert answer.status == 404 and provider.requests == []
    assert message.endswith(f"POST {path}; did you mean {meant}?") if meant else "did you mean" not in message


def test_of_a_long_path_the_beginning_is_quoted(gateway: Gateway, provider: Provider) -> None:
    """Anybody can send one, without a token."""
    path = f"{OPENAI}/" + "x" * 60_000
    answer = gateway.request("POST", path, ASK)
    assert answer.status == 404
    assert f"route not supported: POST {path[:100]}" in answer.json()["error"]["message"]
    assert len(answer.body) < 1000
    polling = threading.Event()
    while not (
        logged := [line["fields"]["path"] for line in gateway.lines() if "xxxxx" in line["fields"].get("path", "")]
    ):
        polling.wait(0.01)  # polls a file: there is nothing to wait on
    assert logged[0].startswith(path[:100]) and len(logged[0]) < 500


def test_an_unknown_provider_is_a_404(gateway: Gateway, provider: Provider, token: str) -> None:
    answer = gateway.request("POST", "/api/v2/aibridge/nobody/v1/messages", ASK, token=token)
    assert answer.status == 404
    assert provider.requests == []


def test_claude_code_s_head_is_answered_without_a_token(gateway: Gateway) -> None:
    answer = gateway.request("HEAD", ANTHROPIC)
    assert (answer.status, answer.body) == (200, b"")
    assert gateway.request("HEAD", f"{ANTHROPIC}/v1/nowhere").status == 404


def test_what_passes_unrecorded_leaves_a_line_without_the_structured_log_too(
    tmp_path: Path, provider: Provider
) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_STRUCTURED_LOGGING="false")
    token = gateway.user("alice")
    provider.answers(whole(b"{}"))
    assert gateway.request("GET", f"{OPENAI}/v1/models/{token}", token=token).status == 200
    assert gateway.stop() == 0
    (line,) = [line["fields"] for line in gateway.lines() if line["msg"] == "passed through"]
    assert (line["method"], line["route"], line["status"], line["provider_name"]) == (
        "GET",
        "/models/***",
        200,
        "openai",
    )
    assert line["user"]


def test_a_passthrough_leaves_one_line_without_bodies(gateway: Gateway, provider: Provider, token: str) -> None:
    """facts.md E13.13"""
    provider.answers(whole(b'{"input_tokens":3}'))
    gateway.request("POST", f"{MESSAGES}/count_tokens", ASK, token=token)
    line = gateway.records()[-1]
    assert line["record_type"] == "passthrough"
    assert (line["route"], line["method"], line["status"]) == ("/v1/messages/count_tokens", "POST", 200)
    assert "hello" not in str(line)


def test_a_base_url_keeps_its_path(tmp_path: Path, provider: Provider) -> None:
    based = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_ANTHROPIC_BASE_URL=f"{provider.url}/some/proxy")
    token = based.user("alice")
    provider.answers(whole(b"{}"))
    assert based.request("POST", f"{MESSAGES}?a=1", ASK, token=token).status == 200
    assert provider.requests[0].target == "/some/proxy/v1/messages?a=1"
    assert based.stop() == 0
