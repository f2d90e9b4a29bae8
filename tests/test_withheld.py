"""What the trail says of an answer whose end its client did not get, as the database could not be written in time."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.databases import Place, environment, locked, query
from tests.exchange import ASK_STREAM, DELTA, MESSAGES, START, STOP, TEXT, Reader
from tests.gateway import Gateway, coderai
from tests.provider import Pause, Provider, chunk, stream, whole
from tests.waiting import until

CHAT = "/api/v2/aibridge/openai/v1/chat/completions"
ASK = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
STREAMED = b'{"stream":true,"stream_options":{"include_usage":true},"model":"m","messages":[]}'
WHOLE = b'{"id":"c","choices":[{"message":{"content":"one"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
FAILURE = b'{"error":{"message":"no","type":"invalid_request_error"}}'
SAID = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
STATES = "SELECT status, error_type FROM aibridge_interceptions WHERE ended_at IS NOT NULL"


@pytest.fixture
def impatient(place: Place, provider: Provider, tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_STORE_GRACE="300ms", **environment(place))
    yield running
    if running.process.poll() is None:
        running.stop()


def is_told(gateway: Gateway, place: Place, status: int, error_type: str) -> None:
    until(lambda: query(place, STATES) == [(status, error_type)])
    until(lambda: gateway.request("GET", "/readyz").status == 200)
    assert gateway.stop() == 0  # whose end waits for the log, which a thread of its own writes
    ends = [record["error_type"] for record in gateway.records() if record["record_type"] == "interception_end"]
    assert ends[-1] == error_type
    assert "the trail is as it was written" in coderai("audit", "verify", env=environment(place)).stdout


@pytest.mark.parametrize("sized", [False, True])
def test_an_answer_that_was_refused_instead(place: Place, impatient: Gateway, provider: Provider, sized: bool) -> None:
    token = impatient.user("alice")
    provider.answers(whole(WHOLE) if sized else b"".join(stream(WHOLE, headers=("Content-Type: application/json",))))
    with locked(place):
        answer = impatient.request("POST", CHAT, ASK, token=token)
        assert answer.status == 503
        assert "audit trail" in answer.json()["error"]["message"]
    is_told(impatient, place, 200, "not_stored")
    assert query(place, "SELECT input_tokens, output_tokens FROM aibridge_token_usages") == [(1, 2)]  # it was paid for


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_an_id_whose_maker_could_not_be_noted(place: Place, impatient: Gateway, provider: Provider) -> None:
    token = impatient.user("alice")
    path = "/api/v2/aibridge/openai/v1/conversations"
    provider.answers(whole(b'{"id":"conv_1","object":"conversation"}'))
    with locked(place):
        answer = impatient.request("POST", path, b"{}", token=token)
        assert (answer.status, b"conv_1" in answer.body) == (503, False)
    assert impatient.stop() == 0


def test_a_stream_that_was_cut_off(place: Place, impatient: Gateway, provider: Provider) -> None:
    token = impatient.user("alice")
    pause = Pause()
    head, said, done, end = stream(SAID, DONE)
    provider.answers(head, said, pause, done, end)
    client = http.client.HTTPConnection(impatient.host, impatient.port, timeout=30)
    client.request("POST", CHAT, STREAMED, {"Authorization": f"Bearer {token}"})
    answer = client.getresponse()
    assert answer.read(len(SAID)) == SAID
    with locked(place):
        pause.go()
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    client.close()
    is_told(impatient, place, 200, "not_stored")


@contextmanager
def its_end_held(gateway: Gateway, place: Place, provider: Provider) -> Iterator[Reader]:
    """The client of an answer of which all has come, and whose end waits for the database; it is broken off here."""
    pause = Pause()
    provider.answers(stream(START, TEXT, ended=False), pause, chunk(DELTA + STOP))
    with Reader(gateway, MESSAGES, ASK_STREAM, gateway.user("alice")) as client:
        client.until(b"text_delta")
        with locked(place):
            pause.go()
            client.until(b"message_delta")  # what is left of it has come as well
            yield client
            assert provider.closed.acquire(timeout=5)


def test_one_that_the_server_s_own_end_cut_off(tmp_path: Path, place: Place, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, "--shutdown-timeout", "1ms", **environment(place))
    with its_end_held(gateway, place, provider) as client:
        gateway.process.terminate()
        assert client.socket.recv(65536) == b""
    assert gateway.stop() == 0
    assert query(place, STATES) == [(200, "not_stored")]
    assert query(place, "SELECT input_tokens, output_tokens FROM aibridge_token_usages") == [(7, 5)]


def test_one_for_which_its_client_did_not_wait_is_noted_once(tmp_path: Path, place: Place, provider: Provider) -> None:
    gateway = Gateway(tmp_path, provider.url, **environment(place))
    with its_end_held(gateway, place, provider) as client:
        client.socket.close()
    until(lambda: query(place, STATES) == [(200, None)])
    assert gateway.stop() == 0
    assert query(place, "SELECT input_tokens, output_tokens FROM aibridge_token_usages") == [(7, 5)]


def test_what_the_provider_says_of_itself_goes_before(place: Place, impatient: Gateway, provider: Provider) -> None:
    token = impatient.user("alice")
    provider.answers(whole(FAILURE, "400 Bad Request"))
    with locked(place):
        assert impatient.request("POST", CHAT, ASK, token=token).status == 503
    is_told(impatient, place, 400, "invalid_request_error")
