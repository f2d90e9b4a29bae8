"""A client that does not read stops the reading from the provider: memory stays bounded."""

import base64
import gzip
import os
import threading
from pathlib import Path

from tests.databases import locked
from tests.exchange import ASK_STREAM, DELTA, MESSAGES, START, STOP, TEXT, Reader, narrow
from tests.gateway import Gateway
from tests.provider import LAST_CHUNK, SSE, Pause, Provider, chunk, stream

EVENTS = 1024
EVENT = TEXT * 8000  # about a megabyte, of many events


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def test_a_gigabyte_for_a_client_that_stalls(gateway: Gateway, provider: Provider, token: str) -> None:
    sent = Counted()
    head, first, *_ = stream(START)
    last = [*stream(DELTA, STOP)[1:]]
    provider.answers(head, first, *[chunk(EVENT)] * EVENTS, *last)
    before = rss_mb(gateway.process.pid)
    with Reader(gateway, MESSAGES, ASK_STREAM, token, narrow(gateway)) as reader:
        reader.until(b"message_start")
        sent.settle(gateway.process.pid)
        assert rss_mb(gateway.process.pid) - before < 40
        total = len(reader.got)
        tail = b""
        while b"message_stop" not in tail:
            data = reader.socket.recv(1 << 20)
            assert data
            total += len(data)
            tail = (tail + data)[-200:]
    assert total > len(EVENT) * EVENTS
    assert rss_mb(gateway.process.pid) - before < 60
    tokens = [record for record in gateway.records() if record["record_type"] == "token_usage"]
    assert tokens[-1]["output_tokens"] == 5


def test_nor_does_what_has_to_be_decoded_pile_up(gateway: Gateway, provider: Provider, token: str) -> None:
    """Each chunk of it decodes to more than a turn reads: it is read on by and by, and then waits for its client."""
    noise = base64.b64encode(os.urandom(150_000))
    chunks = [chunk(gzip.compress(b": %b%b\n\n" % (noise, bytes(500_000)), 1))] * 300
    head, first, *_ = stream(gzip.compress(START), headers=(*SSE, "Content-Encoding: gzip"))
    provider.answers(head, first, *chunks, LAST_CHUNK)
    before = rss_mb(gateway.process.pid)
    with Reader(gateway, MESSAGES, ASK_STREAM, token, narrow(gateway)) as reader:
        reader.until(b"\r\n\r\n")
        Counted().settle(gateway.process.pid)
        assert rss_mb(gateway.process.pid) - before < 25


def test_nor_does_what_comes_behind_the_end(gateway: Gateway, provider: Provider, token: str) -> None:
    """It waits with the end, until that is stored, and then goes on."""
    pause = Pause()
    behind = [chunk(b": %b\n\n" % bytes(1_000_000))] * 40
    provider.answers(stream(START, TEXT, DELTA, ended=False), pause, chunk(STOP), *behind, LAST_CHUNK)
    before = rss_mb(gateway.process.pid)
    with Reader(gateway, MESSAGES, ASK_STREAM, token) as reader:
        reader.until(DELTA)
        with locked(gateway.database):
            pause.go()
            Counted().settle(gateway.process.pid)
            assert rss_mb(gateway.process.pid) - before < 20
        tail, total = b"", 0
        while not tail.endswith(LAST_CHUNK):
            data = reader.socket.recv(1 << 20)
            assert data
            tail, total = (tail + data)[-5:], total + len(data)
    assert total > 40_000_000


class Counted:
    """Waits until a process has stopped reading: its count of bytes read stands still."""

    def settle(self, pid: int) -> None:
        waiting = threading.Event()
        last = -1
        for _ in range(200):
            text = Path(f"/proc/{pid}/io").read_text()
            now = int(text.split("rchar: ", 1)[1].split()[0])
            if now == last:
                return
            last = now
            waiting.wait(0.3)  # there is no event for "nothing more happens"
        raise AssertionError("it goes on reading")
