"""Answers of hostile and broken providers: no clean end of a broken one, nothing of one in the next."""

import pytest

from tests.exchange import ASK, ASK_STREAM, CHAT, MESSAGES, START, TEXT, post
from tests.gateway import Gateway
from tests.provider import CUT, LAST_CHUNK, Pause, Provider, chunk, stream, whole
from tests.raw import ask, connect, read_until, rest

OK = b'{"id":"1"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_an_answer_that_is_no_http_is_called_that(gateway: Gateway, provider: Provider, token: str, raw: bytes) -> None:
    provider.answers(raw)
    assert gateway.request("POST", CHAT, ASK, {"X-Api-Key": token}).status == 502
    assert gateway.records()[-1]["error_message"] == "the provider's answer is no valid HTTP"


@pytest.mark.parametrize("more", [b"\x00garbage", b"POST / HTTP/1.1\r\nX: " + b"y" * 100_000, b"again"])
def test_what_comes_before_the_answer_does_not_spoil_it(
    gateway: Gateway, provider: Provider, token: str, more: bytes
) -> None:
    again = ask(CHAT, token, ASK)
    pause = Pause()
    provider.answers(pause, whole(OK))
    with connect(gateway) as client:
        client.sendall(again)
        assert pause.reached.wait(10)
        client.sendall(again if more == b"again" else more)
        pause.go()
        got = rest(client)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(OK)
    assert len(provider.requests) == 1
    assert gateway.records()[-1]["status"] == 200


@pytest.mark.parametrize("more", [b"XYZ", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"])
def test_bytes_after_the_end_do_not_spoil_the_answer_nor_the_next(
    gateway: Gateway, provider: Provider, token: str, more: bytes
) -> None:
    for answer in (whole(OK) + more, b"".join(stream(OK, headers=("Content-Type: application/json",))) + more):
        provider.answers(answer)
        got = post(gateway, CHAT, ASK, token)
        assert (got.status, got.body, got.broken) == (200, OK, False)
        assert gateway.records()[-1]["error_type"] is None
        known = provider.connections
        provider.answers(whole(b'{"id":"2"}'))
        assert post(gateway, CHAT, ASK, token).body == b'{"id":"2"}'
        assert provider.connections == known + 1  # on the one before, who knows what still comes


def test_what_a_provider_says_unasked_ends_its_connection(gateway: Gateway, provider: Provider, token: str) -> None:
    """Kept, the rest of it would be taken for the next request's answer."""
    provider.answers(whole(OK), pause := Pause(), b"HTTP/1.1 200 OK\r\nX: ", later := Pause(), b"y\r\n\r\n")
    assert post(gateway, CHAT, ASK, token).body == OK
    known = provider.connections
    pause.go()
    assert later.reached.wait(10)
    assert gateway.request("GET", "/healthz").status == 200  # by then it has been read
    provider.answers(whole(b'{"id":"2"}'))
    assert post(gateway, CHAT, ASK, token).body == b'{"id":"2"}'
    assert provider.connections == known + 1
    later.go()


def test_a_sized_answer_that_ends_too_early_is_not_whole(gateway: Gateway, provider: Provider, token: str) -> None:
    """Though its connection ends in order."""
    provider.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + OK)
    got = post(gateway, CHAT, ASK, token)
    assert (got.status, got.body, got.broken) == (200, OK, True)
    assert gateway.end() == (200, "upstream_disconnected")


@pytest.mark.parametrize(
    "codings",
    [
        ["gzip", "chunked"],
        ["chunked", "chunked"],
        ["gzip, chunked"],
        ["chunked, chunked"],
        ["gzip"],
        ["identity"],
        ["chunked", "gzip"],
        ["chunked\t"],
    ],
    ids=", ".join,
)
def test_no_transfer_coding_of_an_answer_but_chunked_is_understood(
    gateway: Gateway, provider: Provider, token: str, codings: list[str]
) -> None:
    """Else one that breaks off amid a chunk would pass for whole, and the other coding be lost."""
    fields = ["Content-Type: application/json", *(f"Transfer-Encoding: {coding}" for coding in codings), "X-A: 1"]
    raw = "\r\n".join(["HTTP/1.1 200 OK", *fields, "Connection: close", "", ""]).encode()
    provider.answers(raw + b'ff\r\n{"id":"1"}')
    answer = post(gateway, CHAT, ASK, token)
    assert (answer.status, answer.json()["error"]["message"]) == (502, "the provider's answer is no valid HTTP")
    assert gateway.records()[-1]["error_type"] == "upstream_unreachable"


@pytest.mark.parametrize("coding", ["Chunked", " chunked  ", "CHUNKED"])
def test_chunked_is_understood_however_it_is_written(
    gateway: Gateway, provider: Provider, token: str, coding: str
) -> None:
    raw = f"HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding:{coding}\r\nX-A: 2\r\n\r\n".encode()
    provider.answers(raw + chunk(OK) + LAST_CHUNK)
    assert post(gateway, CHAT, ASK, token).body == OK


def test_what_came_before_broken_framing_goes_out_and_the_rest_is_cut(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    provider.answers(b"".join(stream(START, TEXT, ended=False)) + b"nonsense\r\n")
    answer = post(gateway, MESSAGES, ASK_STREAM, token)
    assert (answer.body, answer.broken) == (START + TEXT, True)
    assert gateway.records()[-1]["error_type"] == "upstream_disconnected"


def test_an_answer_that_breaks_behind_its_head_is_cut_behind_its_head(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    pause = Pause()
    provider.answers(whole(OK)[: -len(OK)], pause, CUT)
    with connect(gateway) as client:
        client.sendall(ask(CHAT, token, ASK))
        assert pause.reached.wait(10)
        pause.go()
        got = rest(client)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n") and got.endswith(b"\r\n\r\n")
    assert (gateway.records()[-1]["status"], gateway.records()[-1]["error_type"]) == (200, "upstream_disconnected")


@pytest.mark.parametrize("cut", [1, 9, 20, 40])
def test_a_partial_head_is_a_502(gateway: Gateway, provider: Provider, token: str, cut: int) -> None:
    provider.answers(whole(OK)[:cut], CUT)
    answer = post(gateway, CHAT, ASK, token)
    assert answer.status == 502
    assert gateway.records()[-1]["error_type"] == "upstream_unreachable"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body(gateway: Gateway, provider: Provider, token: str, status: str) -> None:
    provider.answers(f"HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n".encode())
    with connect(gateway) as client:
        for _ in range(2):
            client.sendall(ask(CHAT, token, ASK))
            assert read_until(client, b"\r\n\r\n") == f"HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n".encode()
            provider.answers(f"HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n".encode())


def test_an_error_to_a_streaming_request_keeps_its_length(gateway: Gateway, provider: Provider, token: str) -> None:
    body = b'{"error":{"message":"no","type":"invalid_request_error"}}'
    provider.answers(whole(body, "400 Bad Request"))
    answer = post(gateway, CHAT, b'{"model":"m","stream":true,"messages":[]}', token)
    assert (answer.body, answer.header("Content-Length")) == (body, str(len(body)))


def test_a_sized_stream_whose_usage_is_left_out(gateway: Gateway, provider: Provider, token: str) -> None:
    content = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}\n\n'
    usage = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n'
    end = b"data: [DONE]\n\n"
    provider.answers(whole(content + usage + end, headers=("Content-Type: text/event-stream",)))
    answer = post(gateway, CHAT, b'{"model":"m","stream":true,"messages":[]}', token)
    assert (answer.body, answer.broken, answer.header("Content-Length")) == (content + end, False, None)
