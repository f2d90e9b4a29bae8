"""Requests of hostile and broken clients: none in another's body, nothing that can be read in two ways."""

import socket

import pytest

from tests.exchange import ASK, CHAT
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, Provider, chunk, whole
from tests.raw import ask, connect, head, read_until, rest

OK = b'{"id":"1"}'


H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("split", [False, True])
def test_the_body_of_a_request_that_offers_h2c_is_its_body(
    gateway: Gateway, provider: Provider, token: str, framing: str, split: bool
) -> None:
    """As Java's HTTP client sends it; a request inside the body is no request."""
    body = ASK[:-1] + b', "x":"\\r\\n\\r\\n"}'
    sent = body
    field = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {len(sent)}"
    framed = chunk(sent) + LAST_CHUNK if framing == "chunked" else sent
    with connect(gateway) as client:
        for _ in range(2):  # the connection serves on
            provider.answers(whole(OK))
            start = head(CHAT, token, *H2C.strip().split("\r\n"), field)
            if split:
                client.sendall(start)
                client.sendall(framed[:9])
                client.sendall(framed[9:])
            else:
                client.sendall(start + framed)
            assert read_until(client, OK).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [request.body for request in provider.requests] == [sent, sent]
    assert provider.requests[0].header("Upgrade") is None


def test_a_request_in_the_body_of_an_h2c_offer_is_not_served(gateway: Gateway, provider: Provider, token: str) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(gateway) as client:
        client.sendall(ask(CHAT, token, inner, *H2C.strip().split("\r\n")))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        got = rest(client)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") <= 2
    assert provider.requests == []


def test_an_h2c_offer_in_an_unknown_transfer_coding_is_refused(gateway: Gateway, provider: Provider) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, "", *H2C.strip().split("\r\n"), "Transfer-Encoding: gzip") + ASK)
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        client.shutdown(socket.SHUT_WR)
        rest(client)
    assert provider.requests == []
    assert [line for line in gateway.lines() if line["level"] == "ERROR"] == []


def test_what_follows_a_health_check_that_offers_h2c_is_handed_over_once(gateway: Gateway) -> None:
    check = f"GET /healthz HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode()
    with connect(gateway) as client:
        client.sendall(check + check)
        assert rest(client).count(b"HTTP/1.1 200 OK") == 1


def test_trailers_are_no_fields_of_the_request(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(OK))
    with connect(gateway) as client:
        start = head(CHAT, token, "Transfer-Encoding: chunked", "X-Mine: 1")
        client.sendall(start + chunk(ASK) + b"0\r\nX-Trailer: evil\r\nConnection: X-Mine\r\n\r\n")
        read_until(client, OK)
    (received,) = provider.requests
    assert (received.header("X-Trailer"), received.header("X-Mine"), received.body) == (None, "1", ASK)


@pytest.mark.parametrize("endless", [b"X-T: 1\r\n", b"x" * 1000], ids=["trailers", "one trailer"])
def test_endless_trailers_are_refused(gateway: Gateway, provider: Provider, token: str, endless: bytes) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked") + chunk(ASK) + b"0\r\n")
        client.sendall(endless * (1_200_000 // len(endless)))
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert provider.requests == []


def test_an_endless_chunk_extension_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked") + b"5;x=" + b"y" * 1_200_000)
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")


def test_a_field_s_value_ends_before_its_blanks(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(OK))
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked ") + chunk(ASK) + LAST_CHUNK)
        assert read_until(client, OK).startswith(b"HTTP/1.1 200 ")


def test_a_target_as_a_proxy_is_asked(gateway: Gateway, provider: Provider, token: str) -> None:
    """RFC 9112, section 3.2.2: every server takes it."""
    provider.answers(whole(OK))
    with connect(gateway) as client:
        client.sendall(ask(f"HTTP://gateway.example:3000{CHAT}?a=b", token, ASK))
        read_until(client, OK)
        client.sendall(b"GET http://gateway.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert rest(client).endswith(b"OK")
    assert provider.requests[0].target == "/v1/chat/completions?a=b"


def test_what_cannot_be_read_is_answered_once(gateway: Gateway, provider: Provider) -> None:
    """Not by those as well who would refuse its token: a second answer would be the next request's."""
    known = len(gateway.lines())
    with connect(gateway) as client:
        client.sendall(head(CHAT, "no-token", "Transfer-Encoding: chunked") + b"no size\r\n")
        got = rest(client)
    assert got.startswith(b"HTTP/1.1 400 ") and got.count(b"HTTP/1.1") == 1
    assert gateway.request("GET", "/healthz").status == 200  # by then the other would have been tried
    assert gateway.lines()[known:] == []


def test_an_unknown_transfer_coding_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: gzip, chunked") + chunk(ASK) + LAST_CHUNK)
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 501 ")
    assert provider.requests == []
