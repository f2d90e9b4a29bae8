"""Requests that follow one another on a connection: their heads mostly are the same, and need not be."""

import http.client
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.exchange import CHAT
from tests.gateway import Gateway, coderai
from tests.provider import Provider, Received, Step, whole

_PAUSE = threading.Event()


def body(prompt: str) -> bytes:
    return b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % prompt.encode()


def echo(request: Received) -> list[Step]:
    return [whole(b'{"id":"x","choices":[],"asked":%b}' % request.body)]


@pytest.fixture
def upstream() -> Iterator[Provider]:
    running = Provider(model=echo)
    yield running
    running.close()


class Client:
    """One connection; requests to the byte."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self.socket = socket.create_connection((gateway.host, gateway.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = token
        self.got = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def request(self, prompt: str, *fields: str) -> bytes:
        sent = body(prompt)
        own = [f"POST {CHAT} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}", *fields]
        return "\r\n".join([*own, f"Content-Length: {len(sent)}", "X-Last: 1", "", ""]).encode() + sent

    def answer(self) -> tuple[int, bytes]:
        """The next answer's status and body."""
        while b"\r\n\r\n" not in self.got:
            self._read()
        head, _, self.got = self.got.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(self.got) < length:
            self._read()
        answer, self.got = self.got[:length], self.got[length:]
        return int(head.split()[1]), answer

    def ended(self) -> bool:
        return self.socket.recv(1) == b""

    def _read(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the connection ended after {self.got!r}"
        self.got += data


@pytest.fixture
def gateway(tmp_path, upstream: Provider) -> Iterator[Gateway]:
    running = Gateway(tmp_path, upstream.url)
    yield running
    running.stop()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway, gateway.user("alice")) as connected:
        yield connected


def test_the_same_head_with_bodies_of_every_length(client: Client, upstream: Provider) -> None:
    prompts = ["a", "b" * 10, "c" * 100_000, "d", "e" * 3_000_000, "f" * 7]
    for prompt in prompts:
        client.socket.sendall(client.request(prompt))
        assert client.answer() == (200, b'{"id":"x","choices":[],"asked":%b}' % body(prompt))
    assert [received.body for received in upstream.requests] == [body(prompt) for prompt in prompts]
    assert {received.header("x-last") for received in upstream.requests} == {"1"}
    assert [received.header("content-length") for received in upstream.requests] == [
        str(len(body(prompt))) for prompt in prompts
    ]


def test_cut_anywhere(client: Client) -> None:
    request = client.request("hello")
    client.socket.sendall(request)
    expected = client.answer()
    for cut in range(1, len(request), 7):
        client.socket.sendall(request[:cut])
        client.socket.sendall(request[cut:])
        assert client.answer() == expected


def test_another_head_in_between(client: Client, upstream: Provider) -> None:
    for fields in ((), ("X-Turn: 2",), (), ("X-Turn: 4", "Transfer-Encoding: identity")):
        client.socket.sendall(client.request("hello", *fields))
        client.answer()
    assert [received.header("x-turn") for received in upstream.requests][:3] == [None, "2", None]


def test_a_chunked_body_in_between(client: Client, upstream: Provider) -> None:
    client.socket.sendall(client.request("one"))
    client.answer()
    two = body("two")
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {client.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.socket.sendall(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(two), two))
    client.answer()
    client.socket.sendall(client.request("three"))
    assert client.answer()[0] == 200
    assert [received.body for received in upstream.requests] == [body("one"), two, body("three")]


def test_no_body_at_all(client: Client) -> None:
    client.socket.sendall(client.request("one"))
    client.answer()
    length = b"Content-Length: %d\r\n" % len(body(""))  # whole: the mere number may stand in the token, too
    empty = client.request("")[: -len(body(""))].replace(length, b"Content-Length: 0\r\n")
    assert length not in empty
    client.socket.sendall(empty)
    assert client.answer()[0] == 400
    client.socket.sendall(client.request("three"))
    assert client.answer()[0] == 200


def test_line_ends_behind_a_body_mean_nothing(client: Client, upstream: Provider) -> None:
    for prompt in ("one", "two", "three", "four"):
        client.socket.sendall(client.request(prompt) + b"\r\n")
        assert client.answer()[0] == 200
    assert len(upstream.requests) == 4


def test_two_at_once_the_second_is_not_served(client: Client, upstream: Provider) -> None:
    client.socket.sendall(client.request("one"))
    client.answer()
    client.socket.sendall(client.request("two") + client.request("three"))
    assert client.answer()[0] == 200
    assert client.ended()
    assert [received.body for received in upstream.requests] == [body("one"), body("two")]


def test_a_body_that_is_too_large(tmp_path, upstream: Provider) -> None:
    gateway = Gateway(tmp_path, upstream.url, CODER_AIBRIDGE_MAX_REQUEST_BODY="1kB")
    with Client(gateway, gateway.user("alice")) as client:
        client.socket.sendall(client.request("one"))
        assert client.answer()[0] == 200
        client.socket.sendall(client.request("x" * 2000))
        assert client.answer()[0] == 413
    gateway.stop()
    assert len(upstream.requests) == 1


def test_a_token_that_is_revoked_meanwhile(client: Client, gateway: Gateway) -> None:
    client.socket.sendall(client.request("one"))
    assert client.answer()[0] == 200
    coderai("tokens", "revoke", client.token.partition("-")[0], env=gateway.env)
    for _ in range(400):
        client.socket.sendall(client.request("two"))
        if (status := client.answer()[0]) != 200:
            break
        _PAUSE.wait(0.05)  # polls the server: a revocation is seen within ten seconds
    assert status == 401


def test_another_users_token(client: Client, gateway: Gateway) -> None:
    """The same head but for the token: not the first one's user."""
    client.socket.sendall(client.request("one"))
    assert client.answer()[0] == 200
    client.token = gateway.user("bob")
    client.socket.sendall(client.request("two"))
    assert client.answer()[0] == 200
    users = {record["initiator_id"] for record in gateway.records() if record["record_type"] == "interception_start"}
    assert len(users) == 2


def test_health_and_api_say_that_they_end_the_connection(gateway: Gateway) -> None:
    """So a client that keeps connections takes another, instead of asking on one that ends."""
    client = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    for path, status in (
        ("/healthz", 200),
        ("/api/v2/aibridge/interceptions", 401),
        ("/nothing", 404),
        ("/readyz", 200),
    ):
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("connection")) == (status, "close")
    client.close()


def test_a_request_behind_one_that_the_gateway_answers_itself_is_not_served(client: Client, upstream: Provider) -> None:
    """The first is answered, then the connection is closed."""
    client.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + client.request("behind"))
    got = b""
    while data := client.socket.recv(65536):
        got += data
    assert got.startswith(b"HTTP/1.1 200")
    assert got.count(b"HTTP/1.1") == 1
    assert upstream.requests == []
