"""Limits on how much is taken at once, and what happens beyond them."""

import asyncio
from pathlib import Path

import pytest

from coderai.gateway.limits import Limits
from coderai.gateway.refusal import Refusal
from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, post
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, Pause, Provider, stream, whole
from tests.waiting import until

MODELS = "/api/v2/aibridge/openai/v1/models"


def test_so_many_requests_at_a_time(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_MAX_CONCURRENCY="1")
    token = gateway.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, *stream(DELTA, STOP)[1:])
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        for path, kind in ((MESSAGES, "overloaded_error"), (CHAT, "server_error")):
            answer = post(gateway, path, ASK, token)
            assert (answer.status, answer.json()["error"]["type"]) == (503, kind)
            assert answer.header("Retry-After") == "5"
        assert gateway.request("GET", MODELS, token=token).status == 503
        assert gateway.request("GET", "/healthz").status == gateway.request("GET", "/readyz").status == 200
        pause.go()
        client.until(LAST_CHUNK)
    provider.answers(whole(b"{}"))
    while post(gateway, CHAT, ASK, token).status == 503:
        pass  # the last bytes are out a moment before the request is over
    assert gateway.stop() == 0


def test_who_hangs_up_makes_room_for_the_next(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_MAX_CONCURRENCY="1")
    token = gateway.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause)
    provider.answers(whole(b"{}"))
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        assert post(gateway, CHAT, ASK, token).status == 503
    until(lambda: post(gateway, CHAT, ASK, token).status == 200)
    pause.go()
    assert gateway.stop() == 0


def test_so_many_requests_a_second_of_one_user(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_RATE_LIMIT="2")
    alice, bob = gateway.user("alice"), gateway.user("bob")
    for _ in range(3):
        provider.answers(whole(b"{}"))
    assert post(gateway, CHAT, ASK, alice).status == 200
    assert gateway.request("GET", MODELS, token=alice).status == 200  # what is passed through counts
    refused = post(gateway, MESSAGES, ASK, alice)
    assert (refused.status, refused.header("Retry-After")) == (429, "1")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert post(gateway, CHAT, ASK, bob).status == 200  # each has a limit of his own
    provider.answers(whole(b"{}"))
    while post(gateway, CHAT, ASK, alice).status == 429:
        pass  # until the second is over
    assert len(provider.requests) == 4
    assert gateway.stop() == 0


def test_of_more_users_than_are_remembered_who_has_been_quiet_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coderai.gateway.limits.USERS", 3)
    now = [0.0]
    limits = Limits(lambda: now[0])
    limits.rate_limit = 2
    for now[0], user in ((0.0, "quiet"), (0.5, "busy"), (1.25, "busy"), (1.5, "steady"), (1.75, "new")):
        limits.admit(user)
    assert set(limits._recent) == {"busy", "steady", "new"}
    limits.admit("busy")  # of the first one it is more than a second
    for now[0] in (1.75, 2.125):
        with pytest.raises(Refusal) as refused:
            limits.admit("busy")
        assert refused.value.status == 429
    now[0] = 2.25
    limits.admit("busy")


async def test_the_end_waits_for_the_last_request_and_no_longer() -> None:
    limits = Limits()
    limits.enter()
    limits.enter()
    waiting = asyncio.create_task(limits.wait_until_idle(60))
    await asyncio.sleep(0)
    limits.leave()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    limits.leave()
    await asyncio.wait_for(waiting, 10)
