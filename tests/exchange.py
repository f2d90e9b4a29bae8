"""One exchange as tests have it: where it goes, what is asked, the events of an answer; a client that posts, and one
that reads what has come so far.
"""

import socket

from tests.gateway import Gateway

CHAT = "/api/v2/aibridge/openai/v1/chat/completions"
MESSAGES = "/api/v2/aibridge/anthropic/v1/messages"
RESPONSES = "/api/v2/aibridge/openai/v1/responses"
ASK = b'{"model":"gpt-4.1","messages":[{"role":"user","content":"hello"}]}'
ANSWER = b'{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
ASK_STREAM = b'{"model":"claude-x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hello"}]}'


def event(kind: bytes, fields: bytes = b"") -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (kind, kind, fields)


START = event(b"message_start", b',"message":{"id":"msg_1","content":[],"usage":{"input_tokens":7,"output_tokens":1}}')
TEXT = event(b"content_block_delta", b',"index":0,"delta":{"type":"text_delta","text":"hi"}')
DELTA = event(b"message_delta", b',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}')
STOP = event(b"message_stop")


def post(gateway: Gateway, path: str, body: bytes, token: str, **headers: str):
    fields = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return gateway.request("POST", path, body, fields, token)


def narrow(gateway: Gateway) -> socket.socket:
    """A client's connection: what it does not read does not stay on the way for long."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.connect((gateway.host, gateway.port))
    return client


class Reader:
    """A client that reads what has come so far."""

    def __init__(
        self, gateway: Gateway, path: str, body: bytes, token: str, connected: socket.socket | None = None
    ) -> None:
        self.socket = connected or socket.create_connection((gateway.host, gateway.port), timeout=30)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)
        self.got = b""

    def until(self, end: bytes) -> bytes:
        while end not in self.got:
            data = self.socket.recv(65536)
            assert data, f"the connection ended after {self.got!r}"
            self.got += data
        return self.got

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
