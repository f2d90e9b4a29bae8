"""Requests that are refused: of whom, for what, and in whose words."""

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.exchange import ASK, CHAT, MESSAGES, RESPONSES
from tests.gateway import PROVIDER_KEY, Gateway, coderai
from tests.provider import Provider, whole

pytestmark = pytest.mark.on_both_databases


BAD_TOKENS = ["", "x", "AAAAAAAAAA-0123456789abcdef012345", "a" * 5000, "\xff\xfe", "AAAAAAAAAA-" + "é" * 22]


def test_a_websocket_upgrade_is_426_before_authentication(gateway: Gateway, provider: Provider) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    answer = gateway.request("GET", RESPONSES, None, headers)
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
    for path in (CHAT, MESSAGES, RESPONSES):
        answer = gateway.request("POST", path, body, token=token)
        assert answer.status == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert provider.requests == []


def test_a_background_response_is_501(gateway: Gateway, provider: Provider, token: str) -> None:
    ask = b'{"model":"m","input":"x","background":true}'
    answer = gateway.request("POST", RESPONSES, ask, token=token)
    assert (answer.status, answer.header("x-should-retry")) == (501, "false")
    assert "background" in answer.json()["error"]["message"]
    assert provider.requests == []


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


def test_a_base_url_with_v1_where_none_belongs_is_warned_of(tmp_path: Path, provider: Provider) -> None:
    """Or without it at OpenAI's, or with an endpoint's path."""
    key = "sk-0123456789abcdef"
    urls = {
        "a": ("openai", "https://api.openai.com", "https://api.openai.com/chat/completions"),
        "b": ("openai", "http://there:1/v1/chat/completions/", "http://there:1/v1/chat/completions/chat/completions"),
        "c": ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/v1/messages"),
        "d": ("anthropic", "https://there/v1/messages", "https://there/v1/messages/v1/messages"),
        "e": ("openai", "https://api.openai.com/v1", None),
        "f": ("openai", "https://others.example", None),
        "g": ("anthropic", "https://others.example/anthropic/", None),
    }
    variables = {}
    for number, (name, (kind, url, _)) in enumerate(urls.items()):
        fields = {"TYPE": kind, "NAME": name, "BASE_URL": url, "KEY": key}
        variables |= {f"CODER_AIBRIDGE_PROVIDER_{number}_{field}": value for field, value in fields.items()}
    gateway = Gateway(tmp_path, provider.url, **variables)
    assert gateway.stop() == 0
    warned = [line["fields"] for line in gateway.lines() if line["msg"].startswith("a base URL looks wrong")]
    assert {line["provider_name"]: line["requests_go_to"] for line in warned} == {
        name: where for name, (_, _, where) in urls.items() if where
    }
