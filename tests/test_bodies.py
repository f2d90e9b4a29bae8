"""Request bodies of every kind: coded, unknown, too large, too many; and texts too long to be stored whole."""

import gzip
import json
import random
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from coderai.gateway.shortened import shortened
from coderai.records import Prompt
from coderai.wire.encodings import LONG_CODED
from tests.exchange import CHAT, MESSAGES, post
from tests.gateway import Answer, Gateway
from tests.provider import Pause, Provider, whole

ASK = b'{"model":"gpt-4.1","stream":false,"messages":[{"role":"user","content":"hello"}]}'


def last(gateway: Gateway, record_type: str) -> dict:
    return next(record for record in reversed(gateway.records()) if record["record_type"] == record_type)


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_e13_10_a_coded_body_is_forwarded_as_it_came_and_understood(
    gateway: Gateway, provider: Provider, token: str, coding: str, encode
) -> None:
    """Codex sends zstd."""
    body = encode(ASK.replace(b"false", b"true"))  # streaming: yet no include_usage can be put into it
    provider.answers(whole(b"{}"))
    assert post(gateway, CHAT, body, token, Content_Encoding=coding).status == 200
    (received,) = provider.requests
    assert received.body == body
    assert received.header("Content-Encoding") == coding
    assert last(gateway, "prompt_usage")["prompt"] == "hello"
    assert last(gateway, "interception_start")["model"] == "gpt-4.1"


@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_so_are_large_ones_both_ways(
    gateway: Gateway, provider: Provider, token: str, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    """They are decoded in another thread."""
    text = random.Random(1).randbytes(50_000).hex()
    asked = encode(ASK.replace(b"hello", text.encode()))
    call = {"id": "c", "function": {"name": "f", "arguments": text}}
    answered = encode(json.dumps({"id": "x", "choices": [{"message": {"tool_calls": [call]}}]}).encode())
    assert min(len(asked), len(answered)) > LONG_CODED
    provider.answers(whole(answered, headers=("Content-Type: application/json", f"Content-Encoding: {coding}")))
    assert post(gateway, CHAT, asked, token, Content_Encoding=coding).body == answered
    assert provider.requests[0].body == asked
    assert last(gateway, "prompt_usage")["prompt"] == last(gateway, "tool_usage")["input"] == text


def test_the_line_of_a_prompt_with_nul_says_what_its_row_says(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(b"{}"))
    assert post(gateway, CHAT, ASK.replace(b"hello", b"hel\\u0000lo"), token).status == 200
    line = last(gateway, "prompt_usage")
    with closing(sqlite3.connect(gateway.database)) as database:
        rows = database.execute(
            "SELECT prompt FROM aibridge_user_prompts WHERE interception_id = ?", (line["interception_id"],)
        ).fetchall()
    assert rows == [(line["prompt"],)] == [("hel\\x00lo",)]


@pytest.mark.parametrize(
    ("coding", "body"), [("compress", b"\x1f\x9d\x90"), ("gzip", b"no gzip"), ("zstd", b"no zstd")]
)
def test_what_cannot_be_decoded_is_forwarded_and_recorded_without_prompt(
    gateway: Gateway, provider: Provider, token: str, coding: str, body: bytes
) -> None:
    known = len(gateway.records())
    provider.answers(whole(b'{"error":{"type":"invalid_request_error","message":"what is this?"}}', "400 Bad Request"))
    assert post(gateway, CHAT, body, token, Content_Encoding=coding).status == 400
    assert provider.requests[0].body == body
    records = gateway.records()[known:]
    assert [record["record_type"] for record in records] == ["interception_start", "interception_end"]
    assert records[0]["model"] == "unknown"


@pytest.mark.parametrize(("coding", "body"), [("compress", b"\x1f\x9d\x90"), ("gzip", b"no gzip")])
def test_an_answer_that_cannot_be_decoded_is_relayed_and_said_to_be_unread(
    gateway: Gateway, provider: Provider, token: str, coding: str, body: bytes
) -> None:
    provider.answers(whole(body, headers=("Content-Type: application/json", f"Content-Encoding: {coding}")))
    assert post(gateway, CHAT, b'{"model":"m"}', token).body == body
    end = last(gateway, "interception_end")
    assert (end["status"], end["error_type"]) == (200, "answer_not_read")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Gateway]:
    """A gateway with low limits."""
    flags = (
        "--aibridge-max-request-body=100KB",
        "--aibridge-max-body-memory=250KB",
        "--aibridge-max-recorded-text=1KB",
    )
    running = Gateway(tmp_path_factory.mktemp("small"), _provider.url, *flags)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def small_token(small: Gateway) -> str:
    return small.user("alice")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("chunked", [False, True])
def test_e13_10_a_body_over_the_limit_is_413_in_the_provider_s_shape(
    small: Gateway, provider: Provider, small_token: str, path: str, chunked: bool
) -> None:
    body = b'{"model":"m","messages":[' + b" " * 200_000 + b"]}"
    framed = (b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)) if chunked else body
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    with socket.create_connection((small.host, small.port), timeout=10) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {small_token}\r\n{length}\r\n\r\n".encode() + framed
        )
        answer = client.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert "--aibridge-max-request-body" in error["message"]
        assert error["type"] == ("request_too_large" if path == MESSAGES else "invalid_request_error")
        if b"\r\nConnection: close\r\n" in answer:  # refused before all of it had come
            assert client.recv(10_000) == b""
        else:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(10_000).startswith(b"HTTP/1.1 200 OK")
    assert provider.requests == []


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_what_is_over_the_limit_amid_a_body_ends_the_connection_and_says_so(
    small: Gateway, provider: Provider, small_token: str, path: str
) -> None:
    """Else the next request, in one read with the body's rest, would be lost."""
    with socket.create_connection((small.host, small.port), timeout=10) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {small_token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
            + b"%x\r\n" % 300_000
            + b" " * 200_000
        )
        answer = client.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in answer
        client.sendall(b" " * 100_000 + b"\r\n0\r\n\r\n")  # and yet it is read, so that the answer is
        assert client.recv(10_000) == b""
    assert provider.requests == []


def test_bodies_in_flight_are_bounded_together(small: Gateway, provider: Provider, small_token: str) -> None:
    body = b'{"model":"m","messages":[' + b" " * 90_000 + b"]}"
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {small_token}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    pauses = [Pause(), Pause()]
    clients = []
    for pause in pauses:
        provider.answers(pause, whole(b"{}"))
        clients.append(socket.create_connection((small.host, small.port), timeout=10))
        clients[-1].sendall(head + body)
        assert pause.reached.wait(10)
    answer = post(small, CHAT, body, small_token)
    assert answer.status == 503
    assert answer.header("Retry-After") is not None
    for pause, client in zip(pauses, clients, strict=True):
        pause.go()
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        client.close()
    provider.answers(whole(b"{}"))
    assert post(small, CHAT, body, small_token).status == 200


def test_long_texts_are_cut_and_say_so(small: Gateway, provider: Provider, small_token: str) -> None:
    words = "é" * 900  # fewer characters than the limit has bytes
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": "x" * 5000})}}
    message = {"role": "assistant", "reasoning_content": "r" * 3000, "tool_calls": [call]}
    answer = {"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    provider.answers(whole(json.dumps(answer).encode()))
    ask = {"model": "m", "messages": [{"role": "user", "content": words}]}
    assert post(small, CHAT, json.dumps(ask).encode(), small_token).json() == answer
    prompt, tool, thought = (last(small, kind) for kind in ("prompt_usage", "tool_usage", "model_thought"))
    assert prompt["prompt"] == "é" * 500
    assert prompt["metadata"] == {"truncated": True, "full_length": 1800}
    assert len(tool["input"]) == 1000
    assert tool["metadata"] == {"truncated": True, "full_length": len(call["function"]["arguments"])}
    assert (len(thought["content"]), thought["metadata"]["full_length"]) == (1000, 3000)


def test_what_stands_beside_a_prompt_is_cut_and_says_so(small: Gateway, provider: Provider, small_token: str) -> None:
    texts = ["sooner", "é" * 2000, "never kept", "do it"]
    content = [{"type": "text", "text": words} for words in texts]
    provider.answers(whole(b'{"id":"c1"}'))
    ask = {"model": "m", "messages": [{"role": "user", "content": content}]}
    assert post(small, CHAT, json.dumps(ask).encode(), small_token).status == 200
    prompt = last(small, "prompt_usage")
    assert prompt["prompt"] == "do it"
    assert prompt["metadata"] == {"other_parts": ["sooner", "é" * 495], "other_parts_truncated": True}


@pytest.mark.parametrize(
    ("others", "kept"), [(["a" * 10], ["a" * 10]), (["a" * 11], ["a" * 10]), (["abcdef", "x"], ["abcdef"])]
)
def test_what_just_fits_is_whole(others: list[str], kept: list[str]) -> None:
    metadata = {"other_parts": kept} if kept == others else {"other_parts": kept, "other_parts_truncated": True}
    assert shortened(Prompt("é" * 5, {"other_parts": others}), 10) == Prompt("é" * 5, metadata)


def test_a_response_that_cannot_be_read_is_refused(gateway: Gateway, provider: Provider, token: str) -> None:
    """It may go on from another user's."""
    ask = b'{"model":"m","input":"x","previous_response_id":"resp_of_alice"}'
    answer = post(gateway, "/api/v2/aibridge/openai/v1/responses", ask, token, Content_Encoding="identity, x-foo")
    assert (answer.status, provider.requests) == (415, [])
    assert "cannot be read" in answer.json()["error"]["message"]


def test_a_hundred_megabytes_pass(gateway: Gateway, provider: Provider, token: str) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 100_000_000 + b'"}]}'
    provider.answers(whole(b'{"id":"1"}'))
    assert post(gateway, CHAT, body, token).body == b'{"id":"1"}'
    assert provider.requests[0].body == body
    assert last(gateway, "prompt_usage")["metadata"]["full_length"] == 100_000_000
    provider.reset()


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_others_are_served_while_a_large_body_is_read(
    gateway: Gateway, provider: Provider, token: str, path: str
) -> None:
    """One of nothing but short messages kept them waiting for half a minute at 256 MB."""
    body = b'{"model":"m","messages":[%b]}' % b",".join([b'{"role":"user","content":[{}]}'] * 600_000)
    provider.answers(whole(b'{"id":"1"}'))
    served_meanwhile(gateway, lambda: post(gateway, path, body, token))
    provider.reset()


def test_others_are_served_while_a_coded_body_is_read_whose_tokens_are_to_be_counted(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    """Sixty kilobytes that hold sixty megabytes."""
    body = gzip.compress(b'{"input":"' + b"x" * 60_000_000 + b'"}')
    provider.answers(whole(b'{"input_tokens":1}'))
    count = "/api/v2/aibridge/openai/v1/responses/input_tokens"
    served_meanwhile(gateway, lambda: post(gateway, count, body, token, Content_Encoding="gzip"))
    assert provider.requests[0].body == body
    provider.reset()


def served_meanwhile(gateway: Gateway, ask: Callable[[], Answer]) -> None:
    """No other request waits for half as long as this one takes."""
    waits = []
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(ask)
        while not posted.done():
            asked = time.monotonic()
            assert gateway.request("GET", "/healthz").status == 200
            waits.append(time.monotonic() - asked)
    assert posted.result().status == 200
    assert max(waits) < (time.monotonic() - began) / 2


def test_nothing_of_an_image_is_stored(gateway: Gateway, provider: Provider, token: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    ask = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [image]}]}
    provider.answers(whole(b"{}"))
    post(gateway, MESSAGES, json.dumps(ask).encode(), token)
    prompt = last(gateway, "prompt_usage")
    assert prompt["prompt"] == ""
    assert prompt["metadata"] == {"attachments": [{"kind": "image", "media_type": "image/png", "size": 8}]}
    assert b"iVBORw0KGgo" not in Path(gateway.database).read_bytes() + gateway.log.read_bytes()
