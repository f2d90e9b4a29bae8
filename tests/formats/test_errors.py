"""Errors in an answer: wherever providers put them, and what is none."""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.stream_tap import StreamTap
from coderai.tap import WholeTap
from tests.formats.every import COUNTED, each


@each
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 501, 503, 504])
def test_our_errors_read_as_the_provider_s(format: Format, status: int) -> None:
    reading = format.read(format.whole(format.error(status, "no")))
    assert reading.error_message == "no"
    assert reading.error_type


@pytest.mark.parametrize(
    ("format", "body"),
    [
        (RESPONSES, b'{"object":"response","id":"r","message":"all well","detail":"all well","output":null}'),
        (RESPONSES, b'{"object":"response","id":"r","output":[],"error":{"code":0,"message":""}}'),
        (RESPONSES, b'{"id":"r","message":"all well","output":[{"type":"function_call","name":"f","call_id":"c"}]}'),
        (CHAT_COMPLETIONS, b'{"id":"c","message":"all well","usage":{"prompt_tokens":1}}'),
        (CHAT_COMPLETIONS, b'{"id":"c","choices":[],"error":{"code":0,"message":""}}'),
        (MESSAGES, b'{"id":"m","content":"all well","message":"all well","usage":{"input_tokens":1}}'),
        (MESSAGES, b'{"id":"m","content":[],"detail":"all well","error":{"type":null}}'),
    ],
)
def test_an_answer_is_no_error_for_what_else_it_tells(format: Format, body: bytes) -> None:
    reading = format.read(format.whole(body))
    assert (reading.error_type, reading.error_message) == (None, None)
    assert reading.message_id


def test_a_response_that_ends_without_one_has_failed_all_the_same() -> None:
    events = [
        b'{"type":"response.created","response":{"id":"resp_1"}}',
        b'{"type":"response.failed","error":{"code":"server_error","message":"no"}}',
    ]
    reading = RESPONSES.read(RESPONSES.fold(events))
    assert (reading.message_id, reading.error_type, reading.error_message) == ("resp_1", "server_error", "no")
    events[1] = b'{"type":"response.completed","response":{"output":[]}}'
    assert RESPONSES.read(RESPONSES.fold(events)).message_id == "resp_1"


@pytest.mark.parametrize(("status", "error_type"), [("failed", "error"), ("incomplete", None), ("completed", None)])
def test_a_failure_without_a_reason_is_one(status: str, error_type: str | None) -> None:
    response = {"id": "r", "object": "response", "status": status, "error": None, "output": [], "usage": COUNTED}
    ended = json.dumps({"type": f"response.{status}", "response": response}).encode()
    for answer in (RESPONSES.fold([ended]), RESPONSES.whole(json.dumps(response).encode())):
        reading = RESPONSES.read(answer)
        assert (reading.error_type, reading.error_message, len(reading.findings)) == (error_type, None, 1)
    before = b'{"sequence_number":1,"type":"error","code":"slow","message":"no"}'
    reading = RESPONSES.read(RESPONSES.fold([before, ended]))
    assert reading.error_type == ("slow" if error_type else None)


def test_an_error_however_deep_is_read() -> None:
    body = b'{"detail":' * 600 + b'"no"' + b"}" * 600
    assert CHAT_COMPLETIONS.read(CHAT_COMPLETIONS.whole(body)).error_type is None


@pytest.mark.parametrize("kind", [WholeTap, StreamTap])
@each
def test_an_answer_too_deep_to_be_read_says_so(format: Format, kind: type[WholeTap] | type[StreamTap]) -> None:
    """StreamTap: it came in a stream's place."""
    tap = kind(format, None)
    tap.feed(b'{"id":"i","object":"response","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001)
    reading = tap.read()
    assert (reading.error_type, reading.error_message) == ("answer_not_read", "the body is nested too deeply")
    assert kind is WholeTap or tap.terminal  # it is not incomplete


ERRORS = [
    (b'{"detail":"no"}', "error", "no"),
    (b'[{"error":{"status":"UNAVAILABLE","message":"no"}}]', "UNAVAILABLE", "no"),
    (b'{"message":"no"}', "error", "no"),
    (b'{"message":"no","code":"too_much"}', "too_much", "no"),
    (b'{"error":{"message":"no","type":"None","param":"None","code":"400"}}', "400", "no"),  # LiteLLM
    (b'{"error":true,"message":"no"}', "error", "no"),
    (b'{"error":["no"]}', "error", "no"),
    (b'{"error":[{"type":"a","message":"no"}]}', "a", "no"),
    (b'{"success":false,"errors":[{"code":10000,"message":"no"}]}', "error", "no"),
    (b'{"message":"no","errors":{"model":["is required"]}}', "error", "no"),
]


@each
@pytest.mark.parametrize(("body", "kind", "message"), ERRORS)
@pytest.mark.parametrize(
    "layout",
    [
        b"%b",
        b"data: %b\n\n",
        b"data: %b",
        b"data: %b\n\ndata: [DONE]\n\n",
        b"\xef\xbb\xbf%b",
        b"\n\n%b\n",
        b": a\n\n: b\n\n%b",
        b"retry: 1\n\n%b\n\n",
        b"\r\n\r\n%b",
        b": a\n\nevent: b\ndata: \xef\xbb\xbf%b\n\n",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_error_is_read_wherever_a_stream_puts_it(
    format: Format, body: bytes, kind: str, message: str, layout: bytes, size: int
) -> None:
    tap = StreamTap(format, None)
    stream = layout % body
    sent = b"".join(tap.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    reading = tap.read()
    assert (reading.error_type, reading.error_message, tap.terminal) == (kind, message, True)
    assert sent + tap.held() == stream
    whole = format.read(format.whole(body))
    assert (whole.error_type, whole.error_message) == (kind, message)


@each
@pytest.mark.parametrize(
    "body", [b'{"errors":[]}', b'{"error":false}', b'{"error":""}', b'{"error":[]}', b'{"error":[{}]}']
)
def test_what_tells_of_no_error_is_none(format: Format, body: bytes) -> None:
    assert format.read(format.whole(body)).error_type is None


@pytest.mark.parametrize(
    ("format", "empty"),
    [
        (CHAT_COMPLETIONS, b'{"id":"c","choices":[],"error":{"code":0,"message":""}}'),
        (MESSAGES, b'{"type":"message_stop","error":{"type":""}}'),
        (RESPONSES, b'{"type":"response.in_progress","error":{"code":""}}'),
    ],
)
def test_an_error_stays_whatever_comes_behind_it(format: Format, empty: bytes) -> None:
    first = b'{"type":"error","error":{"type":"quota","message":"no"}}'
    reading = format.read(format.fold([first, empty]))
    assert (reading.error_type, reading.error_message) == ("quota", "no")


def test_what_one_choice_failed_with_is_told() -> None:
    """As OpenRouter tells of the model that it chose. https://openrouter.ai/docs/api-reference/overview"""
    choice = {"index": 0, "finish_reason": "error", "error": {"code": 502, "message": "model is down"}}
    chunk = json.dumps({"id": "c", "choices": [choice | {"delta": {}}]}).encode()
    whole = json.dumps({"id": "c", "choices": [choice | {"message": {"content": ""}}]}).encode()
    for answer in (CHAT_COMPLETIONS.fold([chunk]), CHAT_COMPLETIONS.whole(whole)):
        reading = CHAT_COMPLETIONS.read(answer)
        assert (reading.error_type, reading.error_message) == ("error", "model is down")
