"""Events that come one by one, as from a model: most pass relay and tap by, and nobody is to notice."""

import socket
from pathlib import Path

from tests.exchange import ASK_STREAM, DELTA, MESSAGES, START, STOP, TEXT, Reader
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, Pause, Provider, Step, chunk, contents, stream

TOOL = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":1,'
    b'"content_block":{"type":"tool_use","id":"t1","name":"look","input":{}}}\n\n'
)
INPUT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,'
    b'"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":1}"}}\n\n'
)
TEXTS = [TEXT.replace(b"hi", b"word %d" % at) for at in range(8)]
EVENTS = [START, *TEXTS[:5], TOOL, INPUT, *TEXTS[5:], DELTA, STOP]


def one_by_one(gateway: Gateway, provider: Provider, token: str, version: str = "1.1") -> bytes:
    """The body that the client gets of EVENTS, each of which is sent when it has the one before."""
    head, *chunks = stream(*EVENTS)
    pauses = [Pause() for _ in EVENTS[:-1]]
    steps: list[Step] = [head]
    for sent, pause in zip(chunks, pauses, strict=False):
        steps += [sent, pause]
    provider.answers(*steps, *chunks[len(pauses) :])
    asked = f"POST {MESSAGES} HTTP/{version}\r\nHost: x\r\nX-Api-Key: {token}\r\nContent-Length: {len(ASK_STREAM)}\r\n"
    got = b""
    with socket.create_connection((gateway.host, gateway.port), timeout=30) as client:
        client.sendall(f"{asked}\r\n".encode() + ASK_STREAM)
        for event, pause in zip(EVENTS, pauses, strict=False):
            while event not in got:
                data = client.recv(65536)
                assert data, got
                got += data
            pause.go()
        while data := not got.endswith(LAST_CHUNK) and client.recv(65536):
            got += data
    return got.partition(b"\r\n\r\n")[2]


def test_the_client_gets_the_provider_s_chunks_and_all_is_recorded(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    known = len(gateway.records())
    assert one_by_one(gateway, provider, token) == b"".join(map(chunk, EVENTS)) + LAST_CHUNK
    records = gateway.records()[known:]
    kinds = [record["record_type"] for record in records]
    assert sorted(kinds) == ["interception_end", "interception_start", "prompt_usage", "token_usage", "tool_usage"]
    (tool,) = [record for record in records if record["record_type"] == "tool_usage"]
    assert tool["input"] == '{"a":1}'


def test_of_a_chunk_that_holds_the_end_the_client_first_gets_what_goes_before(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    pauses = Pause(), Pause()  # so that the chunk is a read of its own
    provider.answers(stream(START, TEXT, ended=False), pauses[0], chunk(DELTA + STOP), pauses[1], LAST_CHUNK)
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as client:
        client.until(TEXT)
        pauses[0].go()
        client.until(STOP)
        pauses[1].go()
        body = client.until(LAST_CHUNK).partition(b"\r\n\r\n")[2]
    assert b"".join(contents(body)) == START + TEXT + DELTA + STOP


def test_an_old_client_gets_no_chunks(gateway: Gateway, provider: Provider, token: str) -> None:
    assert one_by_one(gateway, provider, token, "1.0") == b"".join(EVENTS)


def test_a_dump_has_all_of_them(tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "dumps"
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_DUMP_DIR=str(folder))
    assert b"".join(contents(one_by_one(gateway, provider, gateway.user("alice")))) == b"".join(EVENTS)
    assert gateway.stop() == 0
    (streamed,) = (folder / "anthropic").rglob("*.resp.txt")
    assert streamed.read_bytes().endswith(b"".join(EVENTS))
