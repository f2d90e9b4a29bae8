"""What may pass is tried again, unseen by the client; nothing is sent twice after a first byte."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coderai.wire.upstream import STALE_S
from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, post
from tests.gateway import Gateway
from tests.provider import CUT, LAST_CHUNK, Pause, Provider, stream, whole

OK = whole(b'{"id":"1"}')
UNAVAILABLE = whole(b'{"error":{"message":"busy"}}', "503 Busy", ("retry-after: 7",))


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("retrying"), _provider.url, CODER_AIBRIDGE_MAX_RETRIES="2")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def bob(retrying: Gateway) -> str:
    return retrying.user("bob")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_may_pass_is_tried_again_unseen(retrying: Gateway, bob: str, provider: Provider, status: int) -> None:
    provider.answers(whole(b"{}", f"{status} Oh"))
    provider.answers(OK)
    assert post(retrying, CHAT, ASK, bob).body == b'{"id":"1"}'
    assert [request.body for request in provider.requests] == [ASK, ASK]
    assert retrying.end() == (200, None)


def test_so_often_and_then_relayed_as_it_is(retrying: Gateway, bob: str, provider: Provider) -> None:
    for _ in range(3):
        provider.answers(whole(b'{"error":{"message":"busy"}}', "503 Busy", ("retry-after: 0",)))
    answer = post(retrying, CHAT, ASK, bob)
    assert (answer.status, answer.header("retry-after")) == (503, "0")
    assert answer.body == b'{"error":{"message":"busy"}}'
    assert len(provider.requests) == 3


def test_what_came_of_the_first_try_is_not_waited_for(retrying: Gateway, bob: str, provider: Provider) -> None:
    """Its connection is closed, lest one after another stay open."""
    rest = Pause()
    provider.answers(stream(b"busy", status="503 Busy", ended=False), rest, LAST_CHUNK)
    provider.answers(OK)
    assert post(retrying, CHAT, ASK, bob).body == b'{"id":"1"}'
    rest.go()
    assert provider.closed.acquire(timeout=10)


@pytest.mark.parametrize("field", ["retry-after: 7", "X-Should-Retry: false"])
def test_not_where_the_provider_says_when(retrying: Gateway, bob: str, provider: Provider, field: str) -> None:
    provider.answers(whole(b"{}", "503 Busy", (field,)))
    assert post(retrying, CHAT, ASK, bob).status == 503
    assert len(provider.requests) == 1


def test_broken_off_at_every_point_it_is_sent_once(retrying: Gateway, bob: str, provider: Provider) -> None:
    answer = b"".join(stream(START, TEXT, DELTA, STOP))
    head = answer.index(b"\r\n\r\n") + 4
    for end in (0, 1, 9, head - 1, head, head + 1, head + 20, answer.index(TEXT), len(answer) - 7, len(answer) - 1):
        provider.reset()
        provider.answers(whole(b"{}", headers=("Connection: close",)))
        post(retrying, CHAT, ASK, bob)  # what breaks off on a used connection may be a stale one: this is fresh
        provider.answers(answer[:end], CUT)
        got = post(retrying, MESSAGES, ASK_STREAM, bob)
        assert len(provider.requests) == 2, end
        if end < head:
            assert (got.status, got.json()["error"]["type"]) == (502, "api_error")
        else:
            assert (got.status, got.broken) == (200, True)


@pytest.mark.parametrize("status", [400, 401, 408, 429, 500, 529])
def test_everything_else_is_relayed(retrying: Gateway, bob: str, provider: Provider, status: int) -> None:
    provider.answers(whole(b"{}", f"{status} Oh"))
    assert post(retrying, CHAT, ASK, bob).status == status
    assert len(provider.requests) == 1


def test_what_the_provider_may_be_at_work_on_is_not_sent_again(retrying: Gateway, bob: str, provider: Provider) -> None:
    for steps in ([CUT], [b"HTTP/1.1 200 OK\r\nContent-", CUT]):
        provider.reset()
        provider.answers(whole(b"{}", "200 OK", ("connection: close",)))
        post(retrying, CHAT, ASK, bob)  # the next one goes out on a fresh connection
        provider.requests.clear()
        provider.answers(*steps)
        assert post(retrying, CHAT, ASK, bob).status == 502
        assert len(provider.requests) == 1


@pytest.mark.parametrize("late", [False, True])
def test_nor_on_a_kept_connection_that_it_ends_later_than_one_that_was_closed(
    gateway: Gateway, token: str, provider: Provider, late: bool
) -> None:
    provider.answers(OK)
    assert post(gateway, CHAT, ASK, token).status == 200
    work = Pause()
    if late:
        threading.Timer(STALE_S * 1.1, work.go).start()
    else:
        work.go()
    provider.answers(work, CUT)
    provider.answers(OK)
    assert post(gateway, CHAT, ASK, token).status == (502 if late else 200)
    assert len(provider.requests) == (2 if late else 3)


def test_nor_what_has_begun_to_arrive(retrying: Gateway, bob: str, provider: Provider) -> None:
    provider.answers(stream(START, TEXT, ended=False), CUT)
    answer = post(retrying, MESSAGES, ASK_STREAM, bob)
    assert (answer.status, answer.broken) == (200, True)
    assert len(provider.requests) == 1


def test_without_the_option_nothing_is(gateway: Gateway, token: str, provider: Provider) -> None:
    provider.answers(UNAVAILABLE)
    assert post(gateway, CHAT, ASK, token).status == 503
    assert len(provider.requests) == 1


def test_a_refused_connection_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    gateway = Gateway(tmp_path, url, CODER_AIBRIDGE_MAX_RETRIES="1")
    assert post(gateway, CHAT, ASK, gateway.user("alice")).status == 502
    assert gateway.end() == (502, "upstream_unreachable")
    assert gateway.stop() == 0
