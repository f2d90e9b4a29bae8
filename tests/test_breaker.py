"""The circuit breaker through the gateway: what opens it, what closes it, and whom it refuses."""

import json
from pathlib import Path

import pytest

from tests.exchange import ASK, CHAT, MESSAGES, RESPONSES, Reader, post
from tests.gateway import Gateway
from tests.provider import CUT, Pause, Provider, whole
from tests.waiting import reload, wait_for_end

POOL = "/api/v2/aibridge/pool/v1/chat/completions"


def two_keys(provider: Provider) -> dict[str, str]:
    fields = {"TYPE": "openai", "NAME": "pool", "KEYS": "sk-0123456789,sk-abcdefghij", "BASE_URL": f"{provider.url}/v1"}
    return {f"CODER_AIBRIDGE_PROVIDER_0_{name}": value for name, value in fields.items()}


ON = {
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_ENABLED": "true",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_FAILURE_THRESHOLD": "2",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_TIMEOUT": "1s",
    "CODER_AIBRIDGE_CIRCUIT_BREAKER_MAX_REQUESTS": "1",
}


OPEN_OPENAI = b'{"error":{"message":"circuit breaker is open","type":"server_error","code":"service_unavailable"}}'
OPEN_ANTHROPIC = b'{"type":"error","error":{"type":"overloaded_error","message":"circuit breaker is open"}}'


@pytest.mark.parametrize(
    ("path", "status", "refusal"),
    [
        (MESSAGES, "529 Overloaded", OPEN_ANTHROPIC),
        (CHAT, "503 Down", OPEN_OPENAI),
        (RESPONSES, "504 Late", OPEN_OPENAI),
    ],
)
def test_failures_open_it_and_a_success_closes_it(
    tmp_path: Path, provider: Provider, path: str, status: str, refusal: bytes
) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    other_model = json.dumps(json.loads(ASK) | {"model": "another"}).encode()
    for _ in range(2):
        provider.answers(whole(b"{}", status))
        assert post(gateway, path, ASK, token).status == int(status[:3])
    answer = post(gateway, path, ASK, token)
    assert (answer.status, answer.header("Retry-After")) == (503, "1")
    assert answer.body == refusal
    assert len(provider.requests) == 2
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, path, other_model, token).status == 200
    provider.answers(whole(b'{"id":"1"}'))
    while (answer := post(gateway, path, ASK, token)).status == 503:
        pass  # until the timeout is over
    assert answer.status == 200
    provider.answers(whole(b"{}", status))
    assert post(gateway, path, ASK, token).status == int(status[:3])
    changes = [line["fields"] for line in gateway.lines() if line["msg"] == "circuit breaker state change"]
    assert [(change["from"], change["to"]) for change in changes] == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]
    assert gateway.stop() == 0


def test_keys_that_all_rest_are_no_failure_of_the_provider(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_OPENAI_KEY="", **ON | two_keys(provider))
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "429 Slow", ("retry-after: 1",)))
    assert [post(gateway, POOL, ASK, token).status for _ in range(4)] == [429] * 4
    provider.answers(whole(b'{"id":"1"}'))
    while (answer := post(gateway, POOL, ASK, token)).status == 429:
        pass  # until the keys have rested
    assert (answer.status, len(provider.requests)) == (200, 3)
    assert gateway.stop() == 0


def test_a_limit_of_a_user_s_own_key_is_nobody_else_s(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    alice, bob = gateway.user("alice"), gateway.user("bob")
    own = {"X-Coder-AI-Governance-Token": alice, "Authorization": "Bearer sk-own-0123456789abcdefghij"}
    for _ in range(3):
        provider.answers(whole(b"{}", "429 Slow"))
        assert gateway.request("POST", CHAT, ASK, own).status == 429
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, CHAT, ASK, bob).status == 200
    for _ in range(2):  # that it cannot serve anybody, it says to any key
        provider.answers(whole(b"{}", "503 Down"))
        assert gateway.request("POST", CHAT, ASK, own).status == 503
    assert post(gateway, CHAT, ASK, bob).json()["error"]["message"] == "circuit breaker is open"
    assert gateway.stop() == 0


def test_it_is_of_one_provider_and_one_endpoint_and_outlasts_a_reload(tmp_path: Path, provider: Provider) -> None:
    on = ON | {"CODER_AIBRIDGE_CIRCUIT_BREAKER_TIMEOUT": "1h"}
    gateway = Gateway(tmp_path, provider.url, **on | two_keys(provider))
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "503 Down"))
        assert post(gateway, CHAT, ASK, token).status == 503
    for path in (RESPONSES, POOL):
        provider.answers(whole(b'{"id":"1"}'))
        assert post(gateway, path, ASK, token).status == 200
    reload(gateway, "settings read again")
    assert post(gateway, CHAT, ASK, token).json()["error"]["message"] == "circuit breaker is open"
    assert len(provider.requests) == 4
    assert gateway.stop() == 0


def test_a_broken_connection_is_no_success(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    down = whole(b"{}", "503 Down", ("Connection: close",))
    for answer, status in ((down, 503), (CUT, 502), (down, 503), (b"never sent", 503)):
        provider.answers(answer)
        assert post(gateway, CHAT, ASK, token).status == status
    assert len(provider.requests) == 3
    assert gateway.stop() == 0


def test_a_silent_provider_opens_it(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON | {"CODER_AIBRIDGE_IDLE_TIMEOUT": "300ms"})
    token = gateway.user("alice")
    silent = [Pause(), Pause()]
    for pause in silent:
        provider.answers(pause)
        assert post(gateway, CHAT, ASK, token).status == 504
    assert post(gateway, CHAT, ASK, token).json()["error"]["message"] == "circuit breaker is open"
    for pause in silent:
        pause.go()
    assert gateway.stop() == 0


def test_a_client_that_goes_gives_its_place_back(tmp_path: Path, provider: Provider) -> None:
    """Half open, it would else let nobody through ever again."""
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    for _ in range(2):
        provider.answers(whole(b"{}", "503 Down"))
        assert post(gateway, CHAT, ASK, token).status == 503
    silent = Pause()
    provider.answers(silent, whole(b"{}"))
    while not silent.reached.is_set():  # until the timeout is over
        with Reader(gateway, CHAT, ASK, token):
            silent.reached.wait(0.3)
    wait_for_end(gateway, "client_disconnected")
    silent.go()
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, CHAT, ASK, token).status == 200
    assert gateway.stop() == 0


def test_what_is_no_failure_does_not_open_it(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **ON)
    token = gateway.user("alice")
    for path, status in ((CHAT, "529 Busy"), (CHAT, "500 Oh No"), (MESSAGES, "400 Bad"), (MESSAGES, "401 Who")):
        for _ in range(3):
            provider.answers(whole(b"{}", status))
            assert post(gateway, path, ASK, token).status == int(status[:3])
    assert gateway.stop() == 0
