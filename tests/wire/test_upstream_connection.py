"""A provider's answer arrives whole however it is framed and cut, over a real socket."""

import asyncio
import re
import socket
import ssl

import pytest
import trustme
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from coderai.wire.answer import ReceivedAnswer
from coderai.wire.headers import HEAD_LIMIT
from coderai.wire.origin import Origin
from coderai.wire.reads import Bypass, Skippable
from coderai.wire.upstream import Upstreams
from coderai.wire.upstream_connection import Lost, UpstreamConnection
from tests.provider import Pause, Provider, contents, stream, whole

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Payloads that look like framing, and events that end where their chunk does.
TRICKY = [b"2", b"12", b"\r\n", b"\r\n\r\n", b"5\r\nhello\r\n", b"1\r\n1\r\n", b"0\r\n\r\n", b"4\r\n4", b"data: {}\n\n"]
EVENTS = Skippable(b"\n\n\r\n", (), re.compile(b"f.ve").search)


class Sink:
    """A sink, past which chunks go that end in a blank line, if it has been made so."""

    def __init__(self, fails_at: int | None = None, *, bypassed: bool = False) -> None:
        self.passed = 0
        self._bypassed = bypassed
        self.body = b""
        self.ends: list[str] = []
        self._fails_at = fails_at

    def data(self, data: bytes, framed: bytes = b"") -> Bypass | None:
        if self._fails_at is not None and len(self.body) >= self._fails_at:
            raise ValueError("a fault")
        assert framed in (b"", b"%x\r\n%b\r\n" % (len(data), data))
        self.body += data
        return Bypass(EVENTS, self.send) if framed and self._bypassed else None

    def send(self, chunks: bytes) -> None:
        passed = contents(chunks)
        self.body += b"".join(passed)
        self.passed += len(passed)

    def end(self) -> None:
        self.ends.append("end")

    def lost(self) -> None:
        self.ends.append("lost")


async def relayed(pieces: list[bytes], sink: Sink) -> None:
    """Has the sink get an answer that comes in these reads."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    upstreams = Upstreams()
    connection = UpstreamConnection(upstreams, Origin.of("http://127.0.0.1:9/"))
    transport, _ = await loop.create_connection(lambda: connection, sock=ours)
    asked = loop.create_task(connection.exchange([b"GET / HTTP/1.1\r\n\r\n"]))
    piped = False
    for piece in pieces:
        if connection.closed:
            break
        theirs.send(piece)
        for _ in range(4):  # turns of the loop, in one of which it is read
            await asyncio.sleep(0)
        if asked.done() and not piped:
            asked.result().pipe(sink)
            piped = True
    theirs.close()
    transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def chunked(payloads: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(payload), payload) for payload in payloads)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from(TRICKY) | st.binary(min_size=1, max_size=20), min_size=1, max_size=8),
    st.booleans(),
    st.data(),
)
def test_whatever_the_chunks_and_the_cuts(payloads: list[bytes], bypassed: bool, data: st.DataObject) -> None:
    raw = chunked(payloads) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    sink = Sink(bypassed=bypassed)
    asyncio.run(relayed([HEAD, *pieces], sink))
    assert (sink.body, sink.ends) == (b"".join(payloads), ["end"])


async def test_a_size_line_that_looks_like_the_end_of_the_chunk_before() -> None:
    sink = Sink()
    await relayed([HEAD, b"2\r\n12\r\n12\r\n", b"5\r\nhello\r\n", b"12345678\r\n0\r\n\r\n"], sink)
    assert (sink.body, sink.ends) == (b"125\r\nhello\r\n12345678", ["end"])


async def test_what_comes_of_a_body_with_its_heads_end_does_not_count_as_head() -> None:
    """One read may hold more of it than a head may have, where TLS has kept the beginning of a record."""
    sink, upstreams, body = Sink(), Upstreams(), bytes(HEAD_LIMIT)
    connection, asked, theirs = await asking(upstreams)
    connection.data_received(b"HTTP/1.1 200 OK\r\n")
    connection.data_received(b"Content-Length: %d\r\n\r\n%b" % (len(body) + 1, body))
    (await asked).pipe(sink)
    connection.data_received(b"1")
    assert (sink.body, sink.ends) == (body + b"1", ["end"])
    upstreams.close()
    theirs.close()
    await asyncio.sleep(0)


async def test_a_head_has_an_end() -> None:
    upstreams = Upstreams()
    connection, asked, theirs = await asking(upstreams)
    connection.data_received(b"HTTP/1.1 200 OK\r\n")
    for _ in range(HEAD_LIMIT // 1000 + 1):
        connection.data_received(b"X: %b\r\n" % (b"x" * 1000))
    with pytest.raises(Lost):
        await asked
    assert connection.malformed
    theirs.close()
    await asyncio.sleep(0)


async def test_whole_chunks_pass_a_sink_until_one_is_its_own_to_take() -> None:
    sink = Sink(bypassed=True)
    events = [b"one\n\n", b"two\n\n", b"three\n\n", b"fo", b"ur\n\n", b"five\n\n", b"six\n\n"]
    await relayed([HEAD, *(chunked([event]) for event in events), b"0\r\n\r\n"], sink)
    assert (sink.body, sink.ends) == (b"".join(events), ["end"])
    assert sink.passed == 3  # not the first two, by which the way was found, nor "fo" and "five"


async def test_the_way_past_a_sink_ends_with_the_first_read_that_is_no_whole_chunk() -> None:
    sink = Sink(bypassed=True)
    events = [b"one\n\n", b"two\n\n", b"three\n\n", b"event: a\n", b"data: 4\n\n", b"six\n\n", b"seven\n\n"]
    sizes, half = [chunked([event]) for event in events], 5
    reads = [*sizes[:3], sizes[3][:half], sizes[3][half:], *sizes[4:], b"0\r\n\r\n"]
    await relayed([HEAD, *reads], sink)
    assert (sink.body, sink.ends) == (b"".join(events), ["end"])
    assert sink.passed == 2  # "three" and "seven": behind what the parser has seen, "six" finds the way anew


async def asking(upstreams: Upstreams) -> tuple[UpstreamConnection, asyncio.Task[ReceivedAnswer], socket.socket]:
    """A connection on which an answer is awaited, and the provider's end of it."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    connection = UpstreamConnection(upstreams, Origin.of("http://127.0.0.1:9/"))
    await loop.create_connection(lambda: connection, sock=ours)
    asked = loop.create_task(connection.exchange([b"GET / HTTP/1.1\r\n\r\n"]))
    await asyncio.sleep(0)
    return connection, asked, theirs


async def answering(upstreams: Upstreams, begun: bytes) -> tuple[UpstreamConnection, ReceivedAnswer, socket.socket]:
    """The same, when the answer has begun so."""
    connection, asked, theirs = await asking(upstreams)
    theirs.sendall(begun)
    return connection, await asked, theirs


async def test_nothing_passes_a_sink_when_its_connection_has_been_given_up() -> None:
    upstreams, sink = Upstreams(), Sink(bypassed=True)
    connection, answer, theirs = await answering(upstreams, HEAD + chunked([b"one\n\n"]))
    answer.pipe(sink)
    for _ in range(2):
        connection.data_received(chunked([b"two\n\n"]))
    upstreams.reads.hand_on()
    assert sink.passed == 1
    connection.data_received(chunked([b"two\n\n"]))
    connection.abandon()
    upstreams.reads.hand_on()
    assert (sink.passed, sink.body) == (1, b"one\n\ntwo\n\ntwo\n\n")
    theirs.close()
    await asyncio.sleep(0)


async def test_a_stream_that_rests_is_read_again_when_nothing_stands_in_the_way() -> None:
    sink = Sink(bypassed=True)
    connection, answer, theirs = await answering(Upstreams(), HEAD)
    answer.pipe(sink)

    async def after(event: bytes) -> bytes:
        theirs.sendall(chunked([event]))
        for _ in range(4):  # turns of the loop, in one of which it is read
            await asyncio.sleep(0)
        return sink.body

    connection.rest()
    assert await after(b"1") == b""
    connection.wake()
    assert await after(b"2") == b"12"
    connection.rest()
    answer.pause()
    connection.wake()
    assert await after(b"3") == b"12"  # its client does not read
    connection.rest()
    answer.resume()
    connection.wake()
    assert await after(b"4") == b"1234"
    connection.rest()
    connection.abandon()
    connection.wake()
    await asyncio.sleep(0)
    assert (sink.body, sink.ends) == (b"1234", ["lost"])
    theirs.close()


@pytest.mark.parametrize("resting", [False, True])
def test_over_tls_nothing_is_lost_of_what_came_while_it_was_not_read(resting: bool) -> None:
    """Though the provider has closed the connection meanwhile. With uvloop, as that is what serves."""
    authority, trusting, tls = trustme.CA(), ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusting)
    authority.issue_cert("localhost").configure_cert(tls)
    provider, sink, pause = Provider(tls), Sink(), Pause()
    head, *rest = stream(b"one\n\n", b"two\n\n", headers=("Connection: close",))
    provider.answers(head, pause, *rest)

    async def read() -> None:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(Upstreams(), Origin.of(provider.url))
        await loop.create_connection(lambda: connection, "localhost", provider.port)
        await connection.secure(trusting, "localhost")
        answer = await connection.exchange([b"GET / HTTP/1.1\r\n\r\n"])
        answer.pipe(sink)
        (connection.rest if resting else answer.pause)()
        pause.go()
        assert await asyncio.to_thread(provider.closed.acquire, timeout=10)
        for _ in range(4):  # turns of the loop, in one of which it would be read
            await asyncio.sleep(0)
        assert (sink.body, sink.ends) == (b"", [])
        (connection.wake if resting else answer.resume)()
        async with asyncio.timeout(10):
            while not sink.ends:  # noqa: ASYNC110 - there is nothing to wait on
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(read())
    provider.close()
    assert (sink.body, sink.ends) == (b"one\n\ntwo\n\n", ["end"])


async def test_an_answer_of_which_a_part_could_not_be_taken_is_not_whole() -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context["exception"]))
    sink = Sink(fails_at=5)
    events = [chunked([event]) for event in (b"one\n\n", b"two\n\n", b"three\n\n")]
    await relayed([HEAD, *events, b"0\r\n\r\n"], sink)
    assert (sink.body, sink.ends, [str(fault) for fault in faults]) == (b"one\n\n", ["lost"], ["a fault"])


async def test_connections_that_nobody_uses_any_more_are_closed(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst leaves hundreds of them, of which from then on one is used."""
    monkeypatch.setattr("coderai.wire.upstream.KEEP_ALIVE_S", 0.0)
    upstreams = Upstreams()
    upstreams.idle_timeout = 0.2  # which makes it look often
    origin = Origin.of(provider.url)
    for _ in range(2):
        provider.answers(whole(b"{}"))
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = await asyncio.gather(*(upstreams.send(origin, head, b"") for _ in range(2)))
    for answer in answers:
        answer.pipe(Sink())
    looking = asyncio.create_task(upstreams.run())
    for _ in range(2):
        assert await asyncio.to_thread(provider.closed.acquire, timeout=10)
    looking.cancel()
