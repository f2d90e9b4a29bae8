"""What is served, to whom, and that nothing else is ever forwarded."""

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.gateway import PROVIDER_KEY, Gateway, coderai
from tests.provider import Provider, whole

pytestmark = pytest.mark.on_both_databases

OPENAI = "/api/v2/aibridge/openai"
ANTHROPIC = "/api/v2/aibridge/anthropic"
CHAT = f"{OPENAI}/v1/chat/completions"
MESSAGES = f"{ANTHROPIC}/v1/messages"
ASK = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
BAD_TOKENS = ["", "x", "AAAAAAAAAA-0123456789abcdef012345", "a" * 5000, "\xff\xfe", "AAAAAAAAAA-" + "é" * 22]


@pytest.fixture(scope="module")
def bob(gateway: Gateway) -> str:
    return gateway.user("bob")


@pytest.mark.parametrize("prefix", ["/api/v2/aibridge", "/api/v2/ai-gateway"])
@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("POST", "/openai/v1/chat/completions", "/v1/chat/completions"),
        ("POST", "/openai/v1/responses", "/v1/responses"),
        ("POST", "/openai/v1/responses/compact", "/v1/responses/compact"),
        ("GET", "/openai/v1/models", "/v1/models"),
        ("GET", "/openai/v1/models/gpt-4.1?x=%20", "/v1/models/gpt-4.1?x=%20"),
        ("POST", "/openai/v1/conversations", "/v1/conversations"),
        ("POST", "/openai/v1/responses/input_tokens", "/v1/responses/input_tokens"),
        ("POST", "/anthropic/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("GET", "/anthropic/v1/models", "/v1/models"),
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
        ("DELETE", f"{OPENAI}/v1/models/ft-mine"),
        ("POST", f"{OPENAI}/v1/models"),
        ("GET", f"{OPENAI}/v1/files"),
        ("POST", f"{OPENAI}/v1/completions"),
        ("GET", f"{OPENAI}/v1/organization/admin_api_keys"),
        ("GET", f"{OPENAI}/v1/models/../organization/users"),
        ("GET", f"{OPENAI}/v1/models/%2e%2e/organization/users"),
        ("GET", f"{OPENAI}/v1/models/%2E./organization/users"),
        ("GET", f"{OPENAI}/v1/models/a%2f..%2fusers"),
        ("GET", f"{OPENAI}/v1/models/a%5Cusers"),
        ("GET", f"{OPENAI}/v1/models//x"),
        ("GET", f"{OPENAI}/v1//models"),
        ("GET", f"{OPENAI}/v1/models\\x"),
        ("GET", f"{OPENAI}/v1/models/..;/organization/users"),
        ("GET", f"{OPENAI}/v1/models/..;v=1"),
        ("GET", f"{OPENAI}/v1/models/.%3b/x"),
        ("GET", f"{OPENAI}/v1/models/..#"),
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


def test_a_websocket_upgrade_is_426_before_authentication(gateway: Gateway, provider: Provider) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    answer = gateway.request("GET", f"{OPENAI}/v1/responses", None, headers)
    assert answer.status == 426
    assert answer.header("Upgrade") == "websocket"
    assert provider.requests == []


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_bad_token_is_401_in_the_provider_s_shape(gateway: Gateway, provider: Provider, bad: str) -> None:
    for path, header in ((MESSAGES, "X-Api-Key"), (CHAT, "Authorization"), (MESSAGES, "Coder-Session-Token")):
        value = f"Bearer {bad}" if header == "Authorization" else bad
        answer = gateway.request("POST", path, ASK, {header: value})
        assert answer.status == 401
        error = answer.json()["error"]
        assert error["type"] == ("authentication_error" if path == MESSAGES else "invalid_request_error")
        assert answer.header("x-should-retry") == "false"
        assert not bad or bad not in answer.body.decode()
    assert provider.requests == []


def test_a_suspended_user_is_403_within_ten_seconds_and_comes_back(gateway: Gateway, provider: Provider) -> None:
    token = gateway.user("sam")
    provider.answers(whole(b"{}"))
    assert gateway.request("POST", CHAT, ASK, token=token).status == 200
    coderai("users", "suspend", "sam", env=gateway.env)
    answer = until(gateway, token, 403)
    assert answer.header("x-should-retry") == "false"
    coderai("users", "activate", "sam", env=gateway.env)
    until(gateway, token, 500)  # the provider has no script: the request got there
    (listed,) = [line for line in coderai("tokens", "list", env=gateway.env).stdout.splitlines() if "sam" in line]
    coderai("tokens", "revoke", listed.split()[0], env=gateway.env)
    until(gateway, token, 401)


def until(gateway: Gateway, token: str, status: int):
    waiting = threading.Event()
    limit = time.monotonic() + 10
    while (answer := gateway.request("POST", CHAT, ASK, token=token)).status != status:
        assert time.monotonic() < limit, f"still {answer.status}"
        waiting.wait(0.2)  # the promise is a time: within ten seconds
    return answer


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b"{}", b'{"model":""}', b'{"model":7}', b'"text"', b"{" * 100_000]
)
def test_a_body_that_no_provider_takes_is_400_in_its_shape(
    gateway: Gateway, provider: Provider, token: str, body: bytes
) -> None:
    """facts.md E13.11"""
    for path in (CHAT, MESSAGES, f"{OPENAI}/v1/responses"):
        answer = gateway.request("POST", path, body, token=token)
        assert answer.status == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert provider.requests == []


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


def test_a_background_response_is_501(gateway: Gateway, provider: Provider, token: str) -> None:
    ask = b'{"model":"m","input":"x","background":true}'
    answer = gateway.request("POST", f"{OPENAI}/v1/responses", ask, token=token)
    assert (answer.status, answer.header("x-should-retry")) == (501, "false")
    assert "background" in answer.json()["error"]["message"]
    assert provider.requests == []


def test_a_passthrough_leaves_one_line_without_bodies(gateway: Gateway, provider: Provider, token: str) -> None:
    """facts.md E13.13"""
    provider.answers(whole(b'{"input_tokens":3}'))
    gateway.request("POST", f"{MESSAGES}/count_tokens", ASK, token=token)
    line = gateway.records()[-1]
    assert line["record_type"] == "passthrough"
    assert (line["route"], line["method"], line["status"]) == ("/v1/messages/count_tokens", "POST", 200)
    assert "hello" not in str(line)


def test_an_absurd_request_is_refused_and_closed(gateway: Gateway) -> None:
    for head in (
        b"NONSENSE\r\n\r\n",
        b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
    ):
        with socket.create_connection((gateway.host, gateway.port), timeout=10) as client:
            client.sendall(head)
            answer = client.recv(1000)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert client.recv(1000) == b""


def test_a_request_that_could_be_read_in_two_ways_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    """Request smuggling: both lengths, or two that differ."""
    for fields in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 6"):
        with socket.create_connection((gateway.host, gateway.port), timeout=10) as client:
            client.sendall(
                f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\n{fields}\r\n\r\n0\r\n\r\nGET".encode()
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert provider.requests == []


def test_disabled_every_route_says_how_to_enable(tmp_path: Path, provider: Provider) -> None:
    off = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_ENABLED="false")
    for path in (MESSAGES, CHAT, "/api/v2/aibridge/interceptions", "/api/v2/ai-gateway/openai/v1/models"):
        answer = off.request("GET", path)
        assert answer.status == 404
        assert "--aibridge-enabled" in str(answer.json())
    assert off.request("GET", "/healthz").body == b"OK"
    assert off.stop() == 0


def test_without_a_key_the_answer_is_503_and_names_the_option(tmp_path: Path, provider: Provider) -> None:
    bare = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_OPENAI_KEY="", CODER_AIBRIDGE_ANTHROPIC_KEY="")
    assert "no provider has a key" in bare.stderr.read_text()
    token = bare.user("alice")
    for path, option in ((MESSAGES, "--aibridge-anthropic-key"), (CHAT, "--aibridge-openai-key")):
        assert bare.request("POST", path, ASK).status == 401
        answer = bare.request("POST", path, ASK, token=token)
        assert answer.status == 503
        assert option in answer.json()["error"]["message"]
    assert bare.stop() == 0


def test_without_a_key_an_indexed_provider_names_the_variable_that_gives_it_one(
    tmp_path: Path, provider: Provider
) -> None:
    """Of one with the name of its type, too: the options of that name would keep the server from starting."""
    env = {"CODER_AIBRIDGE_ANTHROPIC_KEY": "", "CODER_AIBRIDGE_ANTHROPIC_BASE_URL": ""}
    env |= {"CODER_AIBRIDGE_PROVIDER_0_TYPE": "openai", "CODER_AIBRIDGE_PROVIDER_0_NAME": "z-ai"}
    env |= {"CODER_AIBRIDGE_PROVIDER_1_TYPE": "anthropic", "CODER_AIBRIDGE_PROVIDER_1_BASE_URL": provider.url}
    bare = Gateway(tmp_path, provider.url, **env)
    assert "a provider has no key" in bare.stderr.read_text()
    assert "provider_name=anthropic" in bare.stderr.read_text()
    token = bare.user("alice")
    for path, variable in ((MESSAGES, "CODER_AIBRIDGE_PROVIDER_1_KEY"), (CHAT.replace("openai", "z-ai"), "_0_KEY")):
        message = bare.request("POST", path, ASK, token=token).json()["error"]["message"]
        assert message.endswith(variable)
        assert "--aibridge-anthropic-key" not in message
    assert bare.stop() == 0

    given = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_PROVIDER_1_KEY=PROVIDER_KEY, **env)
    provider.answers(whole(b"{}"))
    assert given.request("POST", MESSAGES, ASK, token=token).status == 200
    assert given.stop() == 0


def test_a_base_url_keeps_its_path(tmp_path: Path, provider: Provider) -> None:
    based = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_ANTHROPIC_BASE_URL=f"{provider.url}/some/proxy")
    token = based.user("alice")
    provider.answers(whole(b"{}"))
    assert based.request("POST", f"{MESSAGES}?a=1", ASK, token=token).status == 200
    assert provider.requests[0].target == "/some/proxy/v1/messages?a=1"
    assert based.stop() == 0
