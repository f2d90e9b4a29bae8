"""A client by the byte: heads as they are written, and what comes back."""

import socket

from tests.gateway import Gateway


def connect(gateway: Gateway) -> socket.socket:
    return socket.create_connection((gateway.host, gateway.port), timeout=20)


def head(path: str, token: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"X-Api-Key: {token}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(path: str, token: str, body: bytes, *fields: str, version: str = "1.1") -> bytes:
    return head(path, token, f"Content-Length: {len(body)}", *fields, version=version) + body


def read_until(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while end not in got:
        data = client.recv(65536)
        assert data, f"the connection ended after {got!r}"
        got += data
    return got


def rest(client: socket.socket) -> bytes:
    """All until the end of the connection, which has to be orderly."""
    got = b""
    while data := client.recv(65536):
        got += data
    return got
