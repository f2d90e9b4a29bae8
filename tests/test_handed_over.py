"""Requests that go to no provider, as bytes: what cannot be read is refused in the API's shape, and logged nowhere."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import Gateway
from tests.provider import Provider

SECRET = "sk-cookie-0123456789abcdef"


@pytest.fixture
def gateway(tmp_path: Path, provider: Provider) -> Iterator[Gateway]:
    running = Gateway(tmp_path, provider.url, "--verbose")
    running.secrets |= {SECRET}
    yield running
    running.stop()  # which looks into the files


def answer_to(gateway: Gateway, request: bytes) -> tuple[int, bytes]:
    """Status and body of the only answer on a connection that ends with it."""
    with socket.create_connection((gateway.host, gateway.port), timeout=20) as client:
        client.sendall(request)
        got = b""
        while data := client.recv(65536):
            got += data
    head, _, body = got.partition(b"\r\n\r\n")
    assert SECRET.encode() not in got
    return int(head.split()[1]), body


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/v2/aibridge/interceptions"])
def test_fields_that_a_provider_would_get_are_no_fault_elsewhere(gateway: Gateway, path: str) -> None:
    plain, _ = answer_to(gateway, get(path))
    large = f"Cookie: session={SECRET}; more={'m' * 20_000}"
    many = [f"X-Field-{n}: {SECRET}" for n in range(500)]
    assert answer_to(gateway, get(path, large, *many))[0] == plain
    assert answer_to(gateway, get(f"{path}?{'q' * 20_000}"))[0] in {plain, 400}


def test_a_body_that_nobody_reads_is_no_fault(gateway: Gateway) -> None:
    body = gzip.compress(SECRET.encode())[:-6]  # cut off
    fields = ("Host: x", "Content-Encoding: gzip", f"Content-Length: {len(body)}", "", "")
    status, answered = answer_to(gateway, "\r\n".join(("POST /healthz HTTP/1.1", *fields)).encode() + body)
    assert (status, json.loads(answered)["message"]) == (405, "Method Not Allowed.")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(f"GET http://x:99999/healthz?{SECRET} HTTP/1.1\r\nHost: x\r\n\r\n", id="port"),
        pytest.param(f"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: {SECRET}\r\n\r\n", id="two hosts"),
        pytest.param(f"GET /healthz HTTP/1.1\r\nCookie: {SECRET}\r\n\r\n", id="no host"),
        pytest.param(
            f"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;{SECRET}\r\n{SECRET}\r\n",
            id="chunks",
        ),
    ],
)
def test_what_cannot_be_read_is_answered_in_the_apis_shape(gateway: Gateway, request_: str) -> None:
    status, answered = answer_to(gateway, request_.encode())
    assert status in {400, 405}
    assert set(json.loads(answered)) <= {"message", "detail"}
    assert {line["level"] for line in gateway.lines() if line["msg"].startswith("API request")} <= {"DEBUG"}


def test_none_of_it_is_an_error_of_the_server(gateway: Gateway) -> None:
    answer_to(gateway, get("http://x:99999/healthz", f"Cookie: {SECRET}"))
    answer_to(gateway, f"GET /healthz HTTP/1.1\r\nCookie: {SECRET}\r\n\r\n".encode())
    assert [line for line in gateway.lines() if line["level"] == "ERROR"] == []
