"""Connections of clients that do not go on as they should: refused amid a body, left in each phase, kept too long."""

import socket
from pathlib import Path

import pytest

from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, post
from tests.gateway import Gateway
from tests.provider import CUT, LAST_CHUNK, Pause, Provider, stream, whole
from tests.raw import ask, connect, head, read_until, rest
from tests.waiting import until, wait_for_end

OK = b'{"id":"1"}'


CONVERSATION = "/api/v2/aibridge/openai/v1/responses/resp_1"


@pytest.mark.parametrize("next_path", ["/healthz", CHAT])
@pytest.mark.parametrize("again", [False, True], ids=["its first head", "a head known again"])
def test_a_refusal_amid_a_body_ends_the_connection_and_says_so(
    gateway: Gateway, provider: Provider, token: str, next_path: str, again: bool
) -> None:
    """The rest of the body and the next request may come as one: kept, the connection would lose the latter."""
    with connect(gateway) as client:
        first = ask(CHAT, "AAAAAAAAAA-0123456789abcdef012345", ASK)
        if again:
            client.sendall(first)
            assert b"Connection: close" not in read_until(client, b"}}")
        client.sendall(first[:-5])
        assert b"\r\nConnection: close\r\n" in read_until(client, b"}}")
        follower = f"GET {next_path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        client.sendall(first[-5:] + (follower if next_path != CHAT else ask(CHAT, token, ASK)))
        assert rest(client) == b""
    assert provider.requests == []


def test_a_refusal_reaches_a_client_that_is_still_sending(gateway: Gateway, provider: Provider) -> None:
    """Closed with bytes unread, the connection would be reset and the answer lost."""
    for fields in (["Content-Length: 50000000"], ["X-Large: " + "x" * 70_000, "Content-Length: 50000000"]):
        with connect(gateway) as client:
            client.sendall(head(CHAT, "no-token", "Connection: close", *fields))
            for _ in range(50):
                client.sendall(b"x" * 100_000)
            got = read_until(client, b"\r\n\r\n")
        assert got.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 431 "))


def test_a_refused_client_that_waits_for_100_is_told_to_close(gateway: Gateway, provider: Provider, token: str) -> None:
    """It may leave the body out: then its next request would be taken for it."""
    with connect(gateway) as client:
        client.sendall(head(CHAT, "no-token", "Expect: 100-continue", "Content-Length: 100"))
        got = rest(client)
        assert got.startswith(b"HTTP/1.1 401 ") and b"\r\nConnection: close\r\n" in got
    provider.answers(whole(OK))
    with connect(gateway) as client:
        start = head(CHAT, token, "Expect: 100-continue", f"Content-Length: {len(ASK)}", version="1.0")
        client.sendall(start)
        client.sendall(ASK)
        assert read_until(client, OK).startswith(b"HTTP/1.1 200 OK\r\n")  # 1.0 knows no 100


def test_an_http_1_0_client_sees_that_a_stream_was_cut(gateway: Gateway, provider: Provider, token: str) -> None:
    """Its body ends with the connection: an orderly end would be a clean one."""
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, CUT)
    with connect(gateway) as client:
        client.sendall(ask(MESSAGES, token, ASK_STREAM, version="1.0"))
        read_until(client, TEXT)
        pause.go()
        with pytest.raises(ConnectionResetError):
            rest(client)
    provider.answers(stream(START, TEXT, DELTA, STOP))
    with connect(gateway) as client:
        client.sendall(ask(MESSAGES, token, ASK_STREAM, version="1.0"))
        assert rest(client).endswith(START + TEXT + DELTA + STOP)


@pytest.mark.parametrize("again", [False, True], ids=["its first head", "a head known again"])
def test_a_request_that_comes_while_another_is_answered_is_not_served(
    gateway: Gateway, provider: Provider, token: str, again: bool
) -> None:
    """That one gets its answer, and with it the end of the connection: so the client asks again elsewhere."""
    with connect(gateway) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else it waits until the one before is answered
        if again:
            provider.answers(whole(OK))
            client.sendall(ask(CHAT, token, ASK))
            read_until(client, OK)
        provider.answers(pause := Pause(), whole(OK))
        client.sendall(ask(CHAT, token, ASK))
        assert pause.reached.wait(10)
        client.sendall(ask(CHAT, token, ASK))
        assert gateway.request("GET", "/healthz").status == 200  # by then it has been read
        pause.go()
        got = rest(client)
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(OK)
    assert len(provider.requests) == 1 + again


@pytest.mark.parametrize(
    "fields",
    [
        ["Connection: close"],
        [],
        ["Connection: close, keep-alive"],
        ["Connection: Keep-Alive", "Connection: foo,Close"],
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_that_is_not_kept_is_closed(
    gateway: Gateway, provider: Provider, token: str, version: str, fields: list[str]
) -> None:
    provider.answers(whole(OK))
    with connect(gateway) as client:
        client.sendall(ask(CHAT, token, ASK, *fields, version=version))
        if version == "1.1" and not fields:
            read_until(client, OK)
        else:
            assert rest(client).endswith(OK)


def test_an_old_client_that_asks_for_it_is_told_that_its_connection_is_kept(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    with connect(gateway) as client:
        for _ in range(2):
            provider.answers(whole(OK))
            client.sendall(ask(CHAT, token, ASK, "Connection: keep-alive", version="1.0"))
            assert b"\r\nConnection: keep-alive\r\n" in read_until(client, OK)


def test_a_client_that_goes_in_each_phase(gateway: Gateway, provider: Provider, token: str) -> None:
    """Every interception that began has one end, whenever its client went; no body stays in memory."""
    begun = len(gateway.records())
    with connect(gateway) as client:  # amid its body
        client.sendall(ask(CHAT, token, ASK)[:-5])
    silent = Pause()
    provider.answers(silent, whole(OK))
    with connect(gateway) as client:  # before the head
        client.sendall(ask(CHAT, token, ASK))
        assert silent.reached.wait(10)
    wait_for_end(gateway, "client_disconnected")
    silent.go()
    provider.answers(stream(START, ended=False), later := Pause())
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as reader:  # amid the stream
        reader.until(b"message_start")
    until(lambda: sum(r["record_type"] == "interception_end" for r in gateway.records()[begun:]) >= 2)
    later.go()
    provider.answers(stream(START, TEXT, DELTA, STOP))
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as reader:  # after the terminal event
        reader.until(b"message_stop")
    provider.answers(whole(OK))
    assert post(gateway, CHAT, ASK, token).body == OK
    records = gateway.records()[begun:]
    ends = [(r["interception_id"], r["error_type"]) for r in records if r["record_type"] == "interception_end"]
    starts = [r["interception_id"] for r in records if r["record_type"] == "interception_start"]
    assert sorted(starts) == sorted(identifier for identifier, _ in ends)
    assert [error for _, error in ends] == ["client_disconnected", "client_disconnected", None, None]


def test_a_passthrough_whose_client_goes_leaves_its_line(gateway: Gateway, provider: Provider, token: str) -> None:
    path = "/api/v2/aibridge/openai/v1/models"
    silent = Pause()
    provider.answers(stream(TEXT, ended=False), silent)
    known = len(gateway.records())
    with connect(gateway) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\n\r\n".encode())
        read_until(client, b"text_delta")
    until(lambda: len(gateway.records()) > known)
    silent.go()
    assert provider.closed.acquire(timeout=5)  # nobody is left to read the rest
    (line,) = gateway.records()[known:]
    assert (line["record_type"], line["route"], line["status"]) == ("passthrough", "/models", 200)


def test_a_kept_alive_client_does_not_hold_up_the_end(tmp_path: Path, provider: Provider) -> None:
    """Its answer began before the server was told to stop, so no `Connection: close` went with it."""
    own = Gateway(tmp_path, provider.url)
    token = own.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, *stream(DELTA, STOP)[1:])
    with Reader(own, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        own.process.terminate()
        until(lambda: "stopping" in own.stderr.read_text())
        pause.go()
        client.until(LAST_CHUNK)
        client.socket.settimeout(5)  # at once, and not when the time for requests under way is over
        assert rest(client.socket) == b""
        assert own.process.wait(10) == 0
    assert "requests cut off" not in own.stderr.read_text()


def test_an_answer_that_begins_while_the_server_stops_says_that_it_is_the_last(
    tmp_path: Path, provider: Provider
) -> None:
    own = Gateway(tmp_path, provider.url)
    token = own.user("alice")
    provider.answers(pause := Pause(), whole(OK))
    with connect(own) as client:
        client.sendall(ask(CHAT, token, ASK))
        assert pause.reached.wait(10)
        own.process.terminate()
        until(lambda: "stopping" in own.stderr.read_text())
        pause.go()
        got = rest(client)
    assert b"\r\nConnection: close\r\n" in got and got.endswith(OK)
    assert own.stop() == 0
