"""Copilot and ChatGPT, which only a user's own key opens."""

from pathlib import Path

import pytest

from tests.credentials.governed import OTHER_KEYS, OWN, TOKEN, ended
from tests.exchange import ASK, post
from tests.gateway import Gateway
from tests.provider import Provider, whole

AUTH = f"Bearer {OWN}"


def test_nobody_is_warned_that_they_have_no_key(tmp_path: Path, provider: Provider) -> None:
    env = {"CODER_AIBRIDGE_OPENAI_KEY": "", "CODER_AIBRIDGE_ANTHROPIC_KEY": ""}
    gateway = Gateway(tmp_path, provider.url, **env, CODER_AIBRIDGE_PROVIDER_0_TYPE="copilot")
    assert gateway.stop() == 0
    assert [line for line in gateway.lines() if line["level"] == "WARN"] == []


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/copilot/chat/completions", "/chat/completions"),
        ("/copilot/responses", "/responses"),
        ("/copilot/v1/messages", "/v1/messages"),
        ("/chatgpt/v1/responses", "/backend-api/codex/responses"),
    ],
)
def test_what_is_intercepted(governed: Gateway, alice: str, provider: Provider, path: str, upstream: str) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}],"input":"hi"}'
    headers = {TOKEN: alice, "Authorization": AUTH}
    assert governed.request("POST", f"/api/v2/aibridge{path}", body, headers).status == 200
    (request,) = provider.requests
    assert (request.target, request.header("Authorization")) == (upstream, AUTH)
    start, _ = ended(governed)
    assert (start["provider_name"], start["credential_kind"]) == (path.split("/")[1], "byok")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models"),
        ("GET", "/models/"),
        ("POST", "/agents/x?y=1"),
        ("POST", "/mcp/readonly"),
        ("DELETE", "/mcp/"),
        ("GET", "/.well-known/oauth"),
    ],
)
def test_what_is_passed_through(governed: Gateway, alice: str, provider: Provider, method: str, path: str) -> None:
    provider.answers(whole(b"{}"))
    headers = {TOKEN: alice, "Authorization": AUTH}
    assert governed.request(method, f"/api/v2/aibridge/copilot{path}", None, headers).status == 200
    assert (provider.requests[0].method, provider.requests[0].target) == (method, path)


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket", "Connection": "Upgrade"}])
def test_a_refusal_has_the_shape_of_its_path(governed: Gateway, headers: dict[str, str]) -> None:
    for path in ("v1/messages", "responses", "chat/completions"):
        answer = governed.request("GET", f"/api/v2/aibridge/copilot/{path}", None, headers)
        assert answer.status == (426 if headers else 404)
        assert (answer.json().get("type") == "error") == (path == "v1/messages")


def test_a_key_beside_the_bearer_token_stays_here(governed: Gateway, alice: str, provider: Provider) -> None:
    provider.answers(whole(b'{"id":"1"}'))
    headers = {TOKEN: alice, "Authorization": AUTH, "X-Api-Key": OTHER_KEYS[0]}
    assert governed.request("POST", "/api/v2/aibridge/copilot/v1/messages", ASK, headers).status == 200
    (request,) = provider.requests
    assert (request.header("Authorization"), request.header("X-Api-Key")) == (AUTH, None)
    del headers["Authorization"]
    answer = governed.request("POST", "/api/v2/aibridge/chatgpt/v1/responses", ASK, headers)
    assert (answer.status, "in Authorization" in answer.json()["error"]["message"]) == (401, True)


def test_nobody_s_key_is_used_without_one_of_ones_own(governed: Gateway, alice: str, provider: Provider) -> None:
    for name in ("copilot/chat/completions", "chatgpt/v1/responses"):
        answer = post(governed, f"/api/v2/aibridge/{name}", ASK, alice)
        assert (answer.status, TOKEN in answer.json()["error"]["message"]) == (401, True)
    answer = governed.request("POST", "/api/v2/aibridge/copilot/embeddings", b"{}", {TOKEN: alice})
    assert answer.status == 404
    assert provider.requests == []
