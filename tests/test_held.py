"""What a client must not have seen while the database cannot be written: any of an answer before its start is stored,
the end of one before its records are.
"""

import gzip
import select
import socket
import threading
import zlib
from collections.abc import Iterator, Sequence

import pytest

from coderai.formats import CHAT_COMPLETIONS
from coderai.stream_tap import StreamTap
from tests.databases import locked
from tests.gateway import Gateway
from tests.provider import Pause, Provider, stream, whole

CHAT = b"/api/v2/aibridge/openai/v1/chat/completions"
ASK = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}'
SAID = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n'
MORE = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"two"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = b'{"id":"c","choices":[{"message":{"content":"one"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
# Long enough for what is not held back: it is on its way already.
HELD_S = 0.5


@pytest.fixture
def client(gateway: Gateway, token: str) -> Iterator[socket.socket]:
    """Connected; it asks once the test has said what the provider answers."""
    with socket.create_connection((gateway.host, gateway.port), timeout=30) as connected:
        yield connected


def ask(client: socket.socket, token: str, body: bytes = ASK) -> None:
    lines = (b"POST %b HTTP/1.1" % CHAT, b"Host: x", b"Authorization: Bearer " + token.encode())
    client.sendall(b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body)))


def read_until(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        data = client.recv(65536)
        assert data, got
        got += data
    return got


def silent(client: socket.socket) -> bool:
    return not select.select([client], [], [], HELD_S)[0]


def test_a_stream_that_has_come_whole_waits_for_its_start(
    gateway: Gateway, provider: Provider, token: str, client: socket.socket
) -> None:
    provider.answers(b"".join(stream(SAID, MORE, DONE)))
    with locked(gateway.database):
        ask(client, token)
        assert silent(client)
    assert b"two" in read_until(client, b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("first", "last", "headers"),
    [
        (SAID, MORE, ("Content-Type: text/event-stream",)),
        (SAID, MORE, ("Content-Type: text/event-stream", "Content-Encoding: x-unknown")),
        (b"<p>Back", b" soon</p>", ("Content-Type: text/html",)),
        (SAID, DONE, ("Content-Type: text/event-stream",)),
    ],
    ids=["no terminal event", "unknown coding", "a page", "terminal event"],
)
def test_the_last_bytes_of_a_sized_stream_wait_for_its_records(
    gateway: Gateway,
    provider: Provider,
    token: str,
    client: socket.socket,
    first: bytes,
    last: bytes,
    headers: Sequence[str],
) -> None:
    pause = Pause()
    provider.answers(whole(first + last, headers=headers).removesuffix(last), pause, last)
    ask(client, token)
    got = read_until(client, first)
    assert b"Content-Length: %d\r\n" % len(first + last) in got
    with locked(gateway.database):
        pause.go()
        assert silent(client)
    assert read_until(client, last) == last


@pytest.mark.parametrize("coding", [None, "gzip"])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_the_last_bytes_of_json_in_a_stream_s_place_wait_for_its_records(
    gateway: Gateway, provider: Provider, token: str, client: socket.socket, kind: str, coding: str | None
) -> None:
    """Whoever has them has all of the answer; one who speaks HTTP/1.0 cannot even tell that its end is missing."""
    body = gzip.compress(WHOLE) if coding else WHOLE
    headers = (f"Content-Type: {kind}", *([f"Content-Encoding: {coding}"] if coding else []))
    head, first, last, end = stream(body[:-9], body[-9:], headers=headers)
    pause = Pause()
    provider.answers(head, first, pause, last, end)
    ask(client, token)
    got = client.recv(65536)
    with locked(gateway.database):
        pause.go()
        while select.select([client], [], [], HELD_S)[0]:
            got += client.recv(65536)
        assert body[:-9] in got
        assert body[-9:] not in got
    assert body[-9:] in read_until(client, b"0\r\n\r\n")
    assert gateway.records()[-1]["error_type"] is None


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"", headers=("Content-Type: text/event-stream",)),
        b"HTTP/1.1 204 No Content\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=["length 0", "204", "304"],
)
def test_a_head_that_is_the_whole_of_a_stream_waits_for_its_records(
    gateway: Gateway, provider: Provider, token: str, client: socket.socket, answer: bytes
) -> None:
    pause, polling = Pause(), threading.Event()
    provider.answers(pause, answer)
    known = len(gateway.records())
    ask(client, token)
    while "interception_start" not in [record["record_type"] for record in gateway.records()[known:]]:
        polling.wait(0.01)  # polls a file: there is nothing to wait on
    with locked(gateway.database):
        pause.go()
        assert silent(client)
    assert read_until(client, b"\r\n\r\n").startswith(answer[:12])


@pytest.mark.parametrize("body", [SAID + MORE, b""])
def test_a_sized_stream_that_is_passed_through_ends_when_the_next_request_may_come(
    gateway: Gateway, provider: Provider, token: str, client: socket.socket, body: bytes
) -> None:
    for _ in range(50):
        provider.answers(whole(body, headers=("Content-Type: text/event-stream",)))
        lines = (b"GET /api/v2/aibridge/openai/v1/models HTTP/1.1", b"Host: x", b"X-Api-Key: " + token.encode())
        client.sendall(b"\r\n".join((*lines, b"", b"")))
        assert b"\r\nConnection: close" not in read_until(client, b"\r\n\r\n" + body)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("withhold", [False, True])
def test_a_terminal_event_in_pieces_does_not_show_its_name(end: bytes, withhold: bool) -> None:
    """Some clients look for `[DONE]` in whatever has come, and hang up."""
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold)
    sent = tap.feed(SAID + b"data: ") + tap.feed(b"[DONE]") + tap.feed(end)
    assert sent == SAID + (b"" if withhold else b"data: ")
    assert tap.feed(end) == b""
    assert tap.terminal
    assert sent + tap.held() == SAID + b"data: [DONE]" + end + end


@pytest.mark.parametrize("withhold", [False, True])
def test_half_a_line_behind_the_terminal_event_is_held_with_it(withhold: bool) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold)
    assert tap.feed(SAID + DONE + b": bye\n") == SAID
    for _ in range(2):
        tap.read()
        assert tap.terminal
        assert tap.feed(b"\n") == b""  # its records are on their way
    assert tap.held() == DONE + b": bye\n\n\n"


def test_a_chunk_of_which_nothing_waits_goes_on_as_the_very_object() -> None:
    """So the relay knows that the provider's framing still fits it."""
    tap = StreamTap(CHAT_COMPLETIONS, None)
    for chunk in (SAID, b"data: ", MORE[6:], SAID + MORE, MORE[:-1], b"\n", DONE.replace(b"[DONE]", b'"[DONE]"')):
        assert tap.feed(chunk) is chunk


def test_an_empty_line_between_events_keeps_alive_at_once() -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert [tap.feed(piece) for piece in (SAID, b"\n", b"\r\n", b": ping\n\n")] == [SAID, b"\n", b"\r\n", b": ping\n\n"]


JSON_CUTS = [
    [b'{"id":', b'"c"', b"}"],
    [b" ", b"\n", b"{", b"}"],
    [b": ping\n\n{", b'"a":\n\n', b"1", b"}"],
    [b"\xef\xbb\xbf[", b"1\r\n\r\n", b",2", b"]"],
    [b"\xef\xbb\xbf", b"{", b"}"],
    [b"\xef", b"\xbb", b"\xbf", b"{", b"}"],
    [b"\xef\xbb", b"\xbf", b" ", b"\n", b"{", b"}"],
    [b"{}"],
]


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("withhold", [False, True])
@pytest.mark.parametrize("pieces", JSON_CUTS)
def test_of_json_in_a_stream_s_place_the_latest_piece_is_held(
    pieces: Sequence[bytes], withhold: bool, coded: bool
) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, b"gzip" if coded else None, withhold)
    coder = zlib.compressobj(wbits=31)
    chunks = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in pieces] if coded else pieces
    sent = b""
    for at, fed in enumerate(chunks):
        sent += tap.feed(fed)
        assert b"".join(chunks[:at]).startswith(sent) or not pieces[at].strip(b"\xef\xbb\xbf \n")
    tap.read()
    assert sent + tap.held() == b"".join(chunks)


def test_behind_a_comment_the_first_that_tells_anything_is_looked_at() -> None:
    ping, answer = b": ping\n\n", b'{"id":"c","choices":[]}\n\n'
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert [tap.feed(chunk) for chunk in (ping, answer)] == [ping, b""]
    assert tap.held() == answer
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert [tap.feed(chunk) for chunk in (ping, SAID, MORE)] == [ping, SAID, MORE]
    assert tap.read().message_id == "c"


def test_a_whole_answer_that_comes_by_and_by_waits_for_its_start(
    gateway: Gateway, provider: Provider, client: socket.socket, token: str
) -> None:
    answer, pauses = whole(WHOLE), (Pause(), Pause())
    provider.answers(answer[:-60], pauses[0], answer[-60:-30], pauses[1], answer[-30:])
    with locked(gateway.database):
        ask(client, token, b'{"model":"m","messages":[]}')
        assert pauses[0].reached.wait(10)
        pauses[0].go()
        assert pauses[1].reached.wait(10)
        assert silent(client)
    pauses[1].go()
    read_until(client, WHOLE)


@pytest.mark.parametrize("withhold", [False, True])
def test_what_begins_as_json_and_ends_as_a_stream_is_whole(withhold: bool) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, None, withhold)
    assert tap.feed(b'{"a":') == b""
    assert tap.feed(b"1}\n\n" + DONE) + tap.held() == b'{"a":1}\n\n' + DONE


@pytest.mark.parametrize("coded", [False, True])
def test_no_piece_of_a_stream_is_held_as_if_it_were_json(coded: bool) -> None:
    tap = StreamTap(CHAT_COMPLETIONS, b"gzip" if coded else None)
    coder = zlib.compressobj(wbits=31)
    pieces = (b": ping\n\n", b"\n", b"\n", b": pi", b"ng\n\n", b"da", b"ta: {", b'"id":"c"}\n\n', b"data: {", SAID)
    for piece in pieces:
        fed = coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) if coded else piece
        assert tap.feed(fed) == fed
