"""Exchanges that break off, on either side, or end otherwise than they should; and what is recorded of them."""

import os
import signal
import socket
import struct

import pytest

from tests.exchange import ANSWER, ASK, ASK_STREAM, CHAT, DELTA, MESSAGES, START, STOP, TEXT, Reader, event, post
from tests.gateway import Gateway
from tests.provider import CUT, LAST_CHUNK, Pause, Provider, Step, chunk, stream, whole
from tests.waiting import wait_for_end

pytestmark = pytest.mark.on_both_databases


def test_a_cut_stream_is_cut_likewise(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(stream(START, TEXT, ended=False), CUT)
    answer = post(gateway, MESSAGES, ASK_STREAM, token)
    assert answer.broken
    assert START.startswith(answer.body[: len(START)])
    assert gateway.records()[-1]["error_type"] == "upstream_disconnected"


@pytest.mark.parametrize("begun", [stream(START[:-40], ended=False), [whole(ANSWER)[:-9]]], ids=["stream", "whole"])
def test_an_answer_cut_amid_its_json_raises_no_second_alarm(
    gateway: Gateway, provider: Provider, token: str, begun: list[Step]
) -> None:
    """that nothing could be read of it says no more than how it ended"""
    before = len(gateway.lines())
    provider.answers(begun, CUT)
    assert post(gateway, MESSAGES, ASK_STREAM, token).broken
    assert gateway.end() == (200, "upstream_disconnected")
    assert [line["msg"] for line in gateway.lines()[before:] if line["level"] != "INFO"] == []


def test_a_clean_end_without_terminal_event_is_relayed_and_recorded(
    gateway: Gateway, provider: Provider, token: str
) -> None:
    provider.answers(stream(START, TEXT))
    answer = post(gateway, MESSAGES, ASK_STREAM, token)
    assert answer.body == START + TEXT and not answer.broken
    assert gateway.records()[-1]["error_type"] == "incomplete_stream"


def test_an_unreachable_provider_is_a_502_in_its_shape(gateway: Gateway, provider: Provider, token: str) -> None:
    """facts.md E13.17: not an empty 200"""
    provider.answers(CUT)
    provider.answers(CUT)  # a kept-alive connection is tried once more
    answer = post(gateway, MESSAGES, ASK, token)
    assert answer.status == 502
    assert answer.json()["type"] == "error"
    assert gateway.records()[-1] | {"ended_at": ""} == {
        "record_type": "interception_end",
        "interception_id": gateway.records()[-1]["interception_id"],
        "ended_at": "",
        "status": 502,
        "error_type": "upstream_unreachable",
        "error_message": "the provider closed the connection before it answered",
    }


def test_a_stale_kept_alive_connection_is_tried_once_more(gateway: Gateway, provider: Provider, token: str) -> None:
    provider.answers(whole(b"{}"))
    post(gateway, CHAT, ASK, token)
    provider.answers(CUT)  # on the kept-alive connection, before any byte
    provider.answers(whole(b'{"id":"2"}'))
    assert post(gateway, CHAT, ASK, token).body == b'{"id":"2"}'


def test_a_client_that_hangs_up_closes_the_providers_request(gateway: Gateway, provider: Provider, token: str) -> None:
    silent = Pause()
    provider.answers(stream(START, TEXT, ended=False), silent, LAST_CHUNK)
    client = Reader(gateway, MESSAGES, ASK_STREAM, token)
    client.until(b"text_delta")
    silent.reached.wait(10)
    client.socket.close()
    wait_for_end(gateway, "client_disconnected")
    silent.go()
    assert provider.closed.acquire(timeout=5)


def test_a_client_that_goes_as_the_next_event_comes(gateway: Gateway, provider: Provider, token: str) -> None:
    """The server learns of both in one turn of its loop."""
    before, after = Pause(), Pause()
    provider.answers(stream(START, TEXT, ended=False), before, chunk(DELTA), after)
    client = Reader(gateway, MESSAGES, ASK_STREAM, token)
    client.until(b"text_delta")
    os.kill(gateway.process.pid, signal.SIGSTOP)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()
    before.go()
    assert after.reached.wait(10)
    os.kill(gateway.process.pid, signal.SIGCONT)
    wait_for_end(gateway, "client_disconnected")
    after.go()
    assert "not taken" not in gateway.log.read_text()


@pytest.mark.parametrize("leaves", [True, False], ids=["the client leaves", "the provider breaks off"])
def test_what_came_of_a_long_answer_is_recorded(gateway: Gateway, provider: Provider, token: str, leaves: bool) -> None:
    """So much of it that it is read in a thread of its own."""
    begin = event(b"content_block_start", b',"index":0,"content_block":{"type":"thinking"}')
    thinking = b',"index":0,"delta":{"type":"thinking_delta","thinking":"%b"}' % (b"think " * 150)
    some = event(b"content_block_delta", thinking)
    silent = Pause()
    provider.answers(
        stream(START, begin, *[some] * 299, some.replace(b"think ", b"the last ", 1), ended=False), silent, CUT
    )
    client = Reader(gateway, MESSAGES, ASK_STREAM, token)
    client.until(b"the last ")
    if leaves:
        silent.reached.wait(10)
        client.socket.close()
        wait_for_end(gateway, "client_disconnected")
    silent.go()
    if not leaves:
        wait_for_end(gateway, "upstream_disconnected")
        client.socket.close()
    thought = next(r for r in reversed(gateway.records()) if r["record_type"] == "model_thought")
    assert len(thought["content"]) == 300 * 900 + len("the last ") - len("think ")


def test_hanging_up_after_the_terminal_event_is_a_success(gateway: Gateway, provider: Provider, token: str) -> None:
    late = Pause()
    provider.answers(stream(START, TEXT, DELTA, STOP, ended=False), late, LAST_CHUNK)
    client = Reader(gateway, MESSAGES, ASK_STREAM, token)
    client.until(b"message_stop")
    end = gateway.records()[-1]
    client.socket.close()
    late.go()
    assert (end["record_type"], end["error_type"]) == ("interception_end", None)
