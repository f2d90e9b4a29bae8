"""What the client gets is what the provider sent, and the other way round, byte for byte."""

import gzip
import http.client
import json
import socket

import pytest
import zstandard

from tests.exchange import ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, event, post
from tests.gateway import PROVIDER_KEY, Gateway
from tests.provider import LAST_CHUNK, Pause, Provider, chunk, contents, stream, whole

pytestmark = pytest.mark.on_both_databases

# Odd spacing, a duplicate key, a lone number format: all of it has to survive.
ODD = (
    b'{ "id":"x",  "id":"chatcmpl-1","choices":[ ],"n":1.0e0,"u":"\\u00e9",'
    b'"usage":{"prompt_tokens":3,"completion_tokens":2}}\n'
)


def test_a_whole_answer_comes_back_byte_for_byte(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(
        whole(ODD, headers=("Content-Type: application/json", "x-request-id: req_1", "X-Dup: a", "X-Dup: b"))
    )
    answer = post(gateway, CHAT, ASK, token)
    assert answer.status == 200
    assert answer.body == ODD
    assert answer.headers == [
        ("Content-Type", "application/json"),
        ("x-request-id", "req_1"),
        ("X-Dup", "a"),
        ("X-Dup", "b"),
        ("Content-Length", str(len(ODD))),
    ]


def test_the_request_reaches_the_provider_byte_for_byte(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(ODD))
    body = b'{ "messages":[{"role":"user","content":"h\\u00e9"}],\t"model":"gpt-4.1","seed":1.0, "model":"gpt-4.1" }'
    post(gateway, CHAT + "?a=b%20c&d", body, token, OpenAI_Organization="org", X_Custom="Yes", Cookie="c=1")
    (received,) = provider.requests
    assert (received.method, received.target) == ("POST", "/v1/chat/completions?a=b%20c&d")
    assert received.body == body
    assert received.header("OpenAI-Organization") == "org"
    assert ("X-Custom", "Yes") in received.headers
    assert received.header("Authorization") == f"Bearer {PROVIDER_KEY}"
    assert received.header("Host") == f"localhost:{provider.port}"
    assert token not in str(received.headers)


@pytest.mark.parametrize("field", ["Authorization", "X-Api-Key", "Coder-Session-Token"])
def test_no_token_reaches_the_provider(gateway: Gateway, provider: Provider, token: str, field: str) -> None:
    provider.answers(whole(b"{}"))
    value = f"Bearer {token}" if field == "Authorization" else token
    answer = gateway.request("POST", MESSAGES, ASK, {field: value})
    assert answer.status == 200
    (received,) = provider.requests
    assert token not in str(received.headers)
    assert received.header("X-Api-Key") == PROVIDER_KEY
    assert received.header("Authorization") is None


def test_hop_by_hop_fields_and_those_named_in_connection_stay(gateway: Gateway, provider: Provider, token: str) -> None:
    """facts.md E13.14"""
    provider.answers(
        whole(b"{}", headers=("Connection: x-hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5", "X-End: 2"))
    )
    answer = post(gateway, CHAT, ASK, token, Connection="X-Mine", X_Mine="secret", TE="trailers", X_End="1")
    (received,) = provider.requests
    assert received.header("X-Mine") is None and received.header("TE") is None and received.header("X-End") == "1"
    assert answer.header("X-Hop") is None and answer.header("Keep-Alive") is None and answer.header("X-End") == "2"


def test_a_stream_is_not_held_back_but_for_its_terminal_event(gateway: Gateway, provider: Provider, token: str) -> None:
    first, second = Pause(), Pause()
    head, *events = stream(START, TEXT, DELTA, STOP)
    provider.answers(head, first, events[0], events[1], second, *events[2:])
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"\r\n\r\n")  # the head comes before any event
        first.go()
        client.until(chunk(TEXT).split(b"\r\n", 1)[1])
        assert b"message_delta" not in client.got
        second.go()
        client.until(LAST_CHUNK)
    body = client.got.partition(b"\r\n\r\n")[2]
    assert b"".join(contents(body)) == START + TEXT + DELTA + STOP


def test_an_event_is_stored_and_logged_before_its_terminal_event_goes_out(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    provider.answers(stream(START, TEXT, DELTA, STOP))
    known = len(gateway.records())
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(b"message_stop")
    kinds = [record["record_type"] for record in gateway.records()[known:]]
    assert kinds == ["interception_start", "prompt_usage", "token_usage", "interception_end"]


@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "529 Site Overloaded", "500 Oh No"])
def test_a_provider_error_is_relayed_word_for_word(
    gateway: Gateway, provider: Provider, token: str, status: str
) -> None:
    body = b'{"type":"error","error":{"type":"some_error","message":"words that tools know"}}'
    provider.answers(whole(body, status, ("Content-Type: application/json", "retry-after: 7")))
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    connection.request("POST", MESSAGES, ASK, {"X-Api-Key": token})
    answer = connection.getresponse()
    assert f"{answer.status} {answer.reason}" == status
    assert answer.read() == body
    assert answer.getheader("retry-after") == "7"
    connection.close()
    end = gateway.records()[-1]
    assert (end["status"], end["error_type"], end["error_message"]) == (
        int(status[:3]), "some_error", "words that tools know",
    )  # fmt: skip


@pytest.mark.parametrize("line", [b"", b"\ndata: "], ids=["a_line", "lines"])
def test_the_usage_chunk_that_nobody_asked_for_is_left_out(
    gateway: Gateway, provider: Provider, token: str, line: bytes
) -> None:
    content = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}\n\n'
    usage = b'data: {%b"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n' % line
    provider.answers(stream(content, usage, b"data: [DONE]\n\n"))
    answer = post(gateway, CHAT, b'{"model":"m","stream":true,"messages":[]}', token, Accept_Encoding="gzip")
    assert answer.body == content + b"data: [DONE]\n\n"
    (received,) = provider.requests
    assert json.loads(received.body)["stream_options"] == {"include_usage": True}
    assert received.header("Accept-Encoding") == "identity"
    tokens = next(r for r in reversed(gateway.records()) if r["record_type"] == "token_usage")
    assert (tokens["input_tokens"], tokens["output_tokens"], tokens["msg_id"]) == (9, 4, "c1")


def test_expect_100_continue_and_a_chunked_request_body(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(b"{}"))
    client = socket.create_connection((gateway.host, gateway.port), timeout=30)
    client.sendall(
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {token}\r\nExpect: 100-continue\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(chunk(ASK[:10]) + chunk(ASK[10:]) + LAST_CHUNK)
    assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
    client.close()
    assert provider.requests[0].body == ASK
    assert provider.requests[0].header("Transfer-Encoding") is None


def test_a_header_field_of_64_kb_passes_and_a_larger_one_is_431(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    provider.answers(whole(b"{}"))
    large = "x" * (64 * 1024 - len("X-Large"))
    assert post(gateway, CHAT, ASK, token, X_Large=large).status == 200
    assert provider.requests[0].header("X-Large") == large
    assert post(gateway, CHAT, ASK, token, X_Large=large + "x").status == 431
    assert len(provider.requests) == 1


def test_an_interim_answer_is_not_the_answer(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(b'{"id":"1"}'))
    answer = post(gateway, CHAT, ASK, token)
    assert (answer.status, answer.body, answer.header("Link")) == (200, b'{"id":"1"}', None)


def test_a_body_that_ends_with_the_connection(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{"id":"1"}')
    answer = post(gateway, CHAT, ASK, token)
    assert answer.body == b'{"id":"1"}' and not answer.broken


def test_trailers_are_read_over(gateway: Gateway, provider: Provider, token: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    provider.answers(
        head + chunk(b'{"id":"1"}') + b"0\r\nX-Trailer: 1\r\n\r\n",
    )
    answer = post(gateway, CHAT, ASK, token)
    assert answer.body == b'{"id":"1"}' and answer.header("X-Trailer") is None


def test_one_connection_serves_many_requests(gateway: Gateway, provider: Provider, token: str) -> None:
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    connections = provider.connections
    for number in range(5):
        provider.answers(whole(b'{"id":"%d"}' % number))
        connection.request("POST", CHAT, ASK, {"X-Api-Key": token})
        assert connection.getresponse().read() == b'{"id":"%d"}' % number
    connection.close()
    assert provider.connections - connections <= 1


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_coded_stream_comes_back_as_it_came_and_is_read(
    gateway: Gateway, provider: Provider, token: str, coding: str
) -> None:
    events = START + TEXT + DELTA + STOP
    coded = gzip.compress(events) if coding == "gzip" else zstandard.compress(events)
    headers = ("Content-Type: text/event-stream", f"Content-Encoding: {coding}")
    provider.answers(stream(coded[:20], coded[20:40], coded[40:], headers=headers))
    answer = post(gateway, MESSAGES, ASK_STREAM, token, Accept_Encoding=coding)
    assert answer.body == coded
    assert answer.header("Content-Encoding") == coding
    assert provider.requests[0].header("Accept-Encoding") == coding
    tokens = next(r for r in reversed(gateway.records()) if r["record_type"] == "token_usage")
    assert (tokens["input_tokens"], tokens["output_tokens"]) == (7, 5)
    assert gateway.records()[-1]["error_type"] is None


@pytest.mark.parametrize("kind", [("Content-Type: application/json",), ("Content-Type: text/plain",), ()])
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_stream_is_read_whatever_it_calls_itself(
    gateway: Gateway, provider: Provider, token: str, kind: tuple[str, ...], coding: str | None
) -> None:
    """The SDKs read as a stream what they asked for as one, and do not look what it says it is."""
    events = START + TEXT + DELTA + STOP
    sent = gzip.compress(events) if coding else events
    cut = len(sent) - 9  # in the terminal event, which is not all in the last chunk
    provider.answers(
        stream(sent[:50], sent[50:cut], sent[cut:], b"", headers=(*kind, *(["Content-Encoding: gzip"] * bool(coding))))
    )
    assert post(gateway, MESSAGES, ASK_STREAM, token).body == sent
    tokens = next(r for r in reversed(gateway.records()) if r["record_type"] == "token_usage")
    assert (tokens["interception_id"], tokens["output_tokens"]) == (gateway.records()[-1]["interception_id"], 5)
    assert gateway.records()[-1]["error_type"] is None


def test_json_in_the_place_of_a_stream_is_read(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(ODD))
    answer = post(
        gateway, CHAT, b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}', token
    )
    assert (answer.body, answer.header("Content-Length")) == (ODD, str(len(ODD)))
    tokens = next(r for r in reversed(gateway.records()) if r["record_type"] == "token_usage")
    assert (tokens["interception_id"], tokens["output_tokens"]) == (gateway.records()[-1]["interception_id"], 2)
    assert gateway.records()[-1]["error_type"] is None


def test_a_tool_call_of_thousands_of_events(gateway: Gateway, provider: Provider, token: str) -> None:
    block = b'{"type":"tool_use","id":"toolu_long","name":"Write","input":{}}'
    begin = event(b"content_block_start", b',"index":0,"content_block":' + block)
    end = event(b"content_block_stop", b',"index":0')
    pieces = [json.dumps(f"line {n} of a file; ") for n in range(3000)]
    delta = b',"index":0,"delta":{"type":"input_json_delta","partial_json":%b}'
    deltas = [event(b"content_block_delta", delta % piece.encode()) for piece in pieces]
    events = [START, begin, *deltas, end, DELTA, STOP]
    provider.answers(*stream(*events))
    assert post(gateway, MESSAGES, ASK_STREAM, token).body == b"".join(events)
    (tool,) = [record for record in gateway.records() if record.get("tool_call_id") == "toolu_long"]
    assert tool["input"] == "".join(json.loads(piece) for piece in pieces)
