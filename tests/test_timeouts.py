"""Providers that let the gateway wait: for a connection, a head, a byte."""

import json
import socket
import threading
from pathlib import Path

from coderai.wire.upstream import LONGEST_LOOK_S, SHORTEST_LOOK_S, between_looks
from tests.exchange import ASK, ASK_STREAM, CHAT, MESSAGES, START, TEXT, Reader, narrow, post
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, Pause, Provider, stream, whole

OK = whole(b'{"id":"1"}')


def test_a_silent_provider(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_IDLE_TIMEOUT="300ms")
    token = gateway.user("alice")
    silent = Pause()
    provider.answers(silent)
    answer = post(gateway, CHAT, ASK, token)
    assert answer.status == 504
    assert "silent for 0.3 s" in answer.json()["error"]["message"]
    assert gateway.end() == (504, "upstream_timeout")
    amid = Pause()
    provider.answers(stream(START, TEXT, ended=False), amid)
    answer = post(gateway, MESSAGES, ASK_STREAM, token)
    assert (answer.status, answer.broken) == (200, True)
    assert gateway.end() == (200, "upstream_timeout")
    for pause in (silent, amid):
        pause.go()
    assert gateway.stop() == 0


def test_who_may_be_silent_for_ever_is_hardly_looked_at() -> None:
    looks = [between_looks(idle_timeout) for idle_timeout in (0.0, 0.001, 4.0, 3600.0)]
    assert looks == [LONGEST_LOOK_S, SHORTEST_LOOK_S, 1.0, LONGEST_LOOK_S]


def test_a_slow_one_is_waited_for_as_long_as_it_speaks(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_IDLE_TIMEOUT="600ms")
    token = gateway.user("alice")
    pauses = [Pause() for _ in range(5)]
    steps = [step for pause in pauses for step in (stream(TEXT)[1], pause)]
    provider.answers(stream(START, ended=False), *steps, b"0\r\n\r\n")
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        for pause in pauses:
            assert pause.reached.wait(10)
            pause._go.wait(0.3)  # half of what it may be silent
            pause.go()
        client.until(b"0\r\n\r\n")
    assert gateway.end() == (200, "incomplete_stream")
    assert gateway.stop() == 0


def test_nor_is_one_that_is_not_read_since_its_client_does_not_read(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_IDLE_TIMEOUT="400ms")
    provider.answers(stream(START, *[TEXT * 8000] * 40))  # more than the sockets hold
    with Reader(gateway, MESSAGES, ASK_STREAM, gateway.user("alice"), narrow(gateway)) as reader:
        reader.until(b"message_start")
        threading.Event().wait(1.5)
        tail = b""
        while not tail.endswith(LAST_CHUNK):
            data = reader.socket.recv(1 << 20)
            assert data
            tail = (tail + data)[-5:]
    assert gateway.end() == (200, "incomplete_stream")
    assert gateway.stop() == 0


def test_one_that_reads_slowly_is_not_silent(tmp_path: Path) -> None:
    waiting = threading.Event()

    def slowly(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            begun = client.recv(65536).partition(b"\r\n\r\n")[2]
            left = len(body) - len(begun)
            while left:  # some two seconds
                left -= len(client.recv(min(left, 2**20), socket.MSG_WAITALL))
                waiting.wait(0.1)
            client.sendall(OK)

    body = json.dumps({**json.loads(ASK), "padding": "x" * 25_000_000}).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # what is in it counts as read
        threading.Thread(target=slowly, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        gateway = Gateway(tmp_path, url, CODER_AIBRIDGE_IDLE_TIMEOUT="1s")
        assert post(gateway, CHAT, body, gateway.user("alice")).status == 200
        assert gateway.stop() == 0


def test_no_connection(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        at = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # the backlog is full: further connections are neither taken nor refused
            one.setblocking(False)
            one.connect_ex(at)
        gateway = Gateway(tmp_path, f"http://127.0.0.1:{at[1]}", CODER_AIBRIDGE_CONNECT_TIMEOUT="300ms")
        answer = post(gateway, CHAT, ASK, gateway.user("alice"))
        assert (answer.status, "within 0.3 s" in answer.json()["error"]["message"]) == (504, True)
        assert gateway.stop() == 0
        for one in waiting:
            one.close()


def test_a_head_without_end(gateway: Gateway, token: str, provider: Provider) -> None:
    provider.answers(b"HTTP/1.1 200 OK\r\n", *[b"X-Field: %b\r\n" % (b"x" * 60_000)] * 6, OK)
    assert post(gateway, CHAT, ASK, token).status == 502
