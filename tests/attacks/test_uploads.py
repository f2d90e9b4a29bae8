"""Providers that answer, or go, while a large request is still on its way to them."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.exchange import ASK, CHAT, post
from tests.gateway import Gateway
from tests.listener import Listener
from tests.provider import whole

OK = b'{"id":"1"}'


class Odd:
    """A provider whose connections are served by the function that the test gives."""

    def __init__(self) -> None:
        self.served: Callable[[socket.socket], None] = lambda connection: None
        self._listener = Listener(self._serve)
        self.url = f"http://127.0.0.1:{self._listener.port}"

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.served(connection)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def odd() -> Iterator[Odd]:
    provider = Odd()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def before_odd(tmp_path_factory: pytest.TempPathFactory, odd: Odd) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("odd"), odd.url)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def odd_token(before_odd: Gateway) -> str:
    return before_odd.user("alice")


LARGE = b'{"model":"m","messages":[],"x":"' + b"x" * 30_000_000 + b'"}'


@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_that_comes_before_the_request_s_body_was_read(
    before_odd: Gateway, odd: Odd, odd_token: str, reset: bool
) -> None:
    refusal = whole(b'{"error":{"message":"too large"}}', "413 Payload Too Large")
    go_on = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(refusal)
        if not reset:
            go_on.wait(60)  # reads nothing more, and stays

    odd.served = serve
    answer = post(before_odd, CHAT, LARGE, odd_token)
    assert (answer.status, answer.body) == (413, b'{"error":{"message":"too large"}}')
    odd.served = lambda connection: connection.sendall(whole(OK)) if connection.recv(65536) else None
    assert post(before_odd, CHAT, ASK, odd_token).body == OK  # not behind 30 MB on the old connection
    go_on.set()


def test_a_reset_amid_an_upload_is_a_502(before_odd: Gateway, odd: Odd, odd_token: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    odd.served = serve
    assert post(before_odd, CHAT, LARGE, odd_token).status == 502
    assert before_odd.records()[-1]["error_type"] == "upstream_unreachable"
