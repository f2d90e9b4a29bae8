"""Hostile and broken peers on both sides: no request in another's body, no clean end of a broken answer, no leak."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coderai.formats import CHAT_COMPLETIONS
from coderai.formats import MESSAGES as MESSAGES_FORMAT
from coderai.stream_tap import StreamTap
from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, post
from tests.gateway import Gateway
from tests.provider import CUT, LAST_CHUNK, Pause, Provider, chunk, stream, whole
from tests.waiting import wait_for_end

OK = b'{"id":"1"}'
CONVERSATION = "/api/v2/aibridge/openai/v1/responses/resp_1"
H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"


def connect(gateway: Gateway) -> socket.socket:
    return socket.create_connection((gateway.host, gateway.port), timeout=20)


def head(path: str, token: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"X-Api-Key: {token}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def ask(path: str, token: str, body: bytes, *fields: str, version: str = "1.1") -> bytes:
    return head(path, token, f"Content-Length: {len(body)}", *fields, version=version) + body


def until(client: socket.socket, end: bytes) -> bytes:
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


# -- the client's side


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
            assert until(client, OK).startswith(b"HTTP/1.1 200 OK\r\n")
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
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
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
        until(client, OK)
    (received,) = provider.requests
    assert (received.header("X-Trailer"), received.header("X-Mine"), received.body) == (None, "1", ASK)


@pytest.mark.parametrize("endless", [b"X-T: 1\r\n", b"x" * 1000], ids=["trailers", "one trailer"])
def test_endless_trailers_are_refused(gateway: Gateway, provider: Provider, token: str, endless: bytes) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked") + chunk(ASK) + b"0\r\n")
        client.sendall(endless * (1_200_000 // len(endless)))
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    assert provider.requests == []


def test_an_endless_chunk_extension_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked") + b"5;x=" + b"y" * 1_200_000)
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")


def test_a_field_s_value_ends_before_its_blanks(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(OK))
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: chunked ") + chunk(ASK) + LAST_CHUNK)
        assert until(client, OK).startswith(b"HTTP/1.1 200 ")


def test_a_target_as_a_proxy_is_asked(gateway: Gateway, provider: Provider, token: str) -> None:
    """RFC 9112, section 3.2.2: every server takes it."""
    provider.answers(whole(OK))
    with connect(gateway) as client:
        client.sendall(ask(f"HTTP://gateway.example:3000{CHAT}?a=b", token, ASK))
        until(client, OK)
        client.sendall(b"GET http://gateway.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert rest(client).endswith(b"OK")
    assert provider.requests[0].target == "/v1/chat/completions?a=b"


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


def test_an_unknown_transfer_coding_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    with connect(gateway) as client:
        client.sendall(head(CHAT, token, "Transfer-Encoding: gzip, chunked") + chunk(ASK) + LAST_CHUNK)
        assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 501 ")
    assert provider.requests == []


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
            assert b"Connection: close" not in until(client, b"}}")
        client.sendall(first[:-5])
        assert b"\r\nConnection: close\r\n" in until(client, b"}}")
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
            got = until(client, b"\r\n\r\n")
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
        assert until(client, OK).startswith(b"HTTP/1.1 200 OK\r\n")  # 1.0 knows no 100


def test_an_http_1_0_client_sees_that_a_stream_was_cut(gateway: Gateway, provider: Provider, token: str) -> None:
    """Its body ends with the connection: an orderly end would be a clean one."""
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, CUT)
    with connect(gateway) as client:
        client.sendall(ask(MESSAGES, token, ASK_STREAM, version="1.0"))
        until(client, TEXT)
        pause.go()
        with pytest.raises(ConnectionResetError):
            rest(client)
    provider.answers(stream(START, TEXT, DELTA, STOP))
    with connect(gateway) as client:
        client.sendall(ask(MESSAGES, token, ASK_STREAM, version="1.0"))
        assert rest(client).endswith(START + TEXT + DELTA + STOP)


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
            until(client, OK)
        else:
            assert rest(client).endswith(OK)


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
    wait_for_ends(gateway, begun, 2)
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


def wait_for_ends(gateway: Gateway, begun: int, count: int) -> None:
    done = threading.Event()
    for _ in range(500):
        if sum(r["record_type"] == "interception_end" for r in gateway.records()[begun:]) >= count:
            return
        done.wait(0.01)  # polls a file: there is nothing to wait on
    raise AssertionError("no end")


def test_a_passthrough_whose_client_goes_leaves_its_line(gateway: Gateway, provider: Provider, token: str) -> None:
    path = "/api/v2/aibridge/openai/v1/models"
    silent = Pause()
    provider.answers(stream(TEXT, ended=False), silent)
    known = len(gateway.records())
    with connect(gateway) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\n\r\n".encode())
        until(client, b"text_delta")
    done = threading.Event()
    for _ in range(500):
        if len(records := gateway.records()[known:]):
            break
        done.wait(0.01)  # polls a file: there is nothing to wait on
    silent.go()
    assert [(r["record_type"], r["route"], r["status"]) for r in records] == [("passthrough", "/models", 200)]


def test_a_kept_alive_client_does_not_hold_up_the_end(tmp_path: Path, provider: Provider) -> None:
    """Its answer began before the server was told to stop, so no `Connection: close` went with it."""
    own = Gateway(tmp_path, provider.url)
    token = own.user("alice")
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, *stream(DELTA, STOP)[1:])
    with Reader(own, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"text_delta")
        own.process.terminate()
        wait_for_line(own, "stopping")
        pause.go()
        client.until(LAST_CHUNK)
        assert rest(client.socket) == b""
        assert own.process.wait(10) == 0
    assert "requests cut off" not in own.stderr.read_text()


def wait_for_line(gateway: Gateway, message: str) -> None:
    done = threading.Event()
    for _ in range(500):
        if message in gateway.stderr.read_text():
            return
        done.wait(0.01)  # polls a file: there is nothing to wait on
    raise AssertionError(f"never: {message}")


# -- the provider's side


@pytest.mark.parametrize("more", [b"XYZ", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"])
def test_bytes_after_the_end_do_not_spoil_the_answer_nor_the_next(
    gateway: Gateway, provider: Provider, token: str, more: bytes
) -> None:
    for answer in (whole(OK) + more, b"".join(stream(OK, headers=("Content-Type: application/json",))) + more):
        provider.answers(answer)
        got = post(gateway, CHAT, ASK, token)
        assert (got.status, got.body, got.broken) == (200, OK, False)
        assert gateway.records()[-1]["error_type"] is None
        provider.answers(whole(b'{"id":"2"}'))
        assert post(gateway, CHAT, ASK, token).body == b'{"id":"2"}'


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
            assert until(client, b"\r\n\r\n") == f"HTTP/1.1 {status}\r\nX-A: 1\r\n\r\n".encode()
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


class Odd:
    """A provider whose connections are served by the function that the test gives."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.served: Callable[[socket.socket], None] = lambda connection: None
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

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


# -- the tap


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_no_byte_of_the_last_blank_line_goes_out_early(size: int, line_end: bytes) -> None:
    data = (START + TEXT + DELTA + STOP).replace(b"\n", line_end)
    tap = StreamTap(MESSAGES_FORMAT, None)
    out = b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert tap.terminal or line_end == b"\r"
    assert len(out) <= len(data) - len(line_end)
    assert out + tap.held() == data


def test_half_a_blank_line_keeps_its_place_in_a_stream_that_is_given_up() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, b"unknown")
    chunks = [b"data: x\r\n\r", b"\n", b"data: y\r\n\r"]
    assert b"".join([*map(tap.feed, chunks), tap.held()]) == b"".join(chunks)
