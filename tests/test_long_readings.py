"""A server is told to stop while an answer is still being read whose client has gone: no interception stays open."""

import signal
import sys
from pathlib import Path

from tests.databases import query
from tests.exchange import CHAT, Reader
from tests.gateway import Gateway
from tests.provider import Pause, Provider, stream
from tests.waiting import until

ASK = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
EVENT = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}}]}\n\n'
)
# Whose reading takes more than a second.
EVENTS = 150_000
ENDS = "SELECT ended_at IS NOT NULL, error_type FROM aibridge_interceptions"


def leave_amid(gateway: Gateway, provider: Provider) -> None:
    """Returns when the answer is being read whose client has gone."""
    provider.answers(stream(*[EVENT * 500] * (EVENTS // 500), b"data: last\n\n", ended=False))
    with Reader(gateway, CHAT, ASK, gateway.user("alice")) as client:
        client.until(b"data: last")
    assert provider.closed.acquire(timeout=20)


def test_it_is_read_to_its_end_before_the_server_ends(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, CODER_LOGGING_JSON="")
    leave_amid(gateway, provider)
    assert gateway.stop() == 0
    assert query(gateway.database, ENDS) == [(1, "client_disconnected")]
    assert query(gateway.database, "SELECT length(input) FROM aibridge_tool_usages") == [(EVENTS,)]


def test_so_is_one_that_was_cut_off_though_its_client_goes_meanwhile(tmp_path: Path, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, "--shutdown-timeout", "1ms", CODER_LOGGING_JSON="")
    provider.answers(stream(*[EVENT * 500] * (EVENTS // 500), b"data: last\n\n", ended=False))
    with Reader(gateway, CHAT, ASK, gateway.user("alice")) as client:
        client.until(b"data: last")
        gateway.process.terminate()
        assert provider.closed.acquire(timeout=20)
    assert gateway.stop() == 0
    assert query(gateway.database, ENDS) == [(1, "interrupted")]
    assert query(gateway.database, "SELECT length(input) FROM aibridge_tool_usages") == [(EVENTS,)]


def test_of_several_that_are_read_at_once_each_is_whole(gateway: Gateway, provider: Provider, token: str) -> None:
    """One after the other, among them one whose client has gone."""
    last, count = b"data: [DONE]\n\n", 4000
    pauses = [Pause() for _ in range(4)]
    clients = []
    for number, pause in enumerate(pauses):
        named = EVENT.replace(b'"id":"c"', b'"id":"at-once-%d"' % number).replace(b'"x"', b'"%d"' % number)
        head, *events = stream(named * count + b": all\n\n", last)
        provider.answers(head, events[0], pause, *events[1:])
        clients.append(Reader(gateway, CHAT, ASK, token))
        clients[-1].until(b": all")
    for pause in pauses[1:]:
        pause.go()
    clients[0].socket.close()
    for number, client in enumerate(clients[1:], 1):
        with client:
            got = client.until(b"0\r\n\r\n")
            assert got.count(b'"%d"' % number) == count and last in got
    pauses[0].go()
    inputs = "SELECT provider_response_id, input FROM aibridge_tool_usages WHERE provider_response_id LIKE 'at-once-%'"
    read = {f"at-once-{number}": str(number) * count for number in range(4)}
    until(lambda: dict(query(gateway.database, inputs)) == read)


class Hasty(Gateway):
    """Waits for no reading: what it does where one takes longer than it waits."""

    command = (
        sys.executable,
        "-c",
        "from coderai import serving; serving.LONGEST_READING_S = 0; from coderai.cli import main; main()",
        "server",
    )


def test_what_takes_too_long_is_ended_at_the_next_start(tmp_path: Path, provider: Provider) -> None:
    gateway = Hasty(tmp_path, provider.url, CODER_LOGGING_JSON="")
    leave_amid(gateway, provider)
    assert gateway.stop(signal.SIGTERM) == 0
    assert query(gateway.database, ENDS) == [(0, None)]
    gateway.start()
    until(lambda: query(gateway.database, ENDS) == [(1, "interrupted")])
    assert gateway.stop() == 0
