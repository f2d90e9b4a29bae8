"""That nothing a client or a provider sends makes a format raise, or costs the records of what is around it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format, NotUnderstood
from coderai.records import Tokens, ToolCall
from tests.formats.every import each

KEYS = st.sampled_from(
    [
        "type",
        "index",
        "delta",
        "choices",
        "message",
        "content_block",
        "usage",
        "id",
        "item",
        "output",
        "response",
        "error",
        "tool_calls",
        "function",
        "arguments",
        "input",
        "name",
        "content",
        "role",
        "model",
        "messages",
        "finish_reason",
        "output_index",
        "stream",
        "stream_options",
    ]
)
TYPES = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_delta",
        "tool_use",
        "error",
        "input_json_delta",
        "response.completed",
        "response.output_item.added",
        "response.function_call_arguments.delta",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | TYPES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
BYTES = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())


@each
@given(events=st.lists(BYTES, max_size=6))
def test_garbage_folds_to_some_reading(format: Format, events: list[bytes]) -> None:
    assert format.read(format.fold(events)) is not None


@each
@given(body=BYTES)
def test_a_whole_body_is_read_or_not_understood(format: Format, body: bytes) -> None:
    try:
        answer = format.whole(body)
    except NotUnderstood:
        return
    assert format.read(answer) is not None


@each
@given(body=BYTES)
def test_a_request_is_read_or_not_understood(format: Format, body: bytes) -> None:
    try:
        ask = format.ask(body)
    except NotUnderstood:
        return
    assert ask.model


@each
def test_invalid_utf_8_is_read_with_replacement(format: Format) -> None:
    field = b"input" if format is RESPONSES else b"messages"
    ask = format.ask(b'{"model":"m","%b":[{"role":"user","content":"a\xffb"}]}' % field)
    assert ask.prompt is not None
    assert ask.prompt.text == "a\ufffdb"


def test_invalid_utf_8_in_one_event_costs_no_other_record() -> None:
    events = [b'{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3}}}', b'{"type":"\xff"}']
    assert MESSAGES.read(MESSAGES.fold(events)).message_id == "msg_1"


def test_arguments_as_an_object_may_hold_half_a_surrogate_pair() -> None:
    call = b'{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a":"\\ud800"}}}]}}]}'
    (found,) = CHAT_COMPLETIONS.read(CHAT_COMPLETIONS.fold([call])).findings
    assert isinstance(found, ToolCall) and found.input == '{"a":"\ud800"}'


@pytest.mark.parametrize(
    "odd", [b'{"id":"\xff"}', b'{"id":', b"", b"[]", b"5", b'{"id":"\\ud800"}', b"{} {}", b"{}\n{}"]
)
def test_an_odd_event_costs_no_other_event(odd: bytes) -> None:
    delta = b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}}]}'
    events = [b'{"id":"c","usage":{"prompt_tokens":3}}', delta % b"a", odd, delta % b"b", b"[DONE]"]
    tokens, call = CHAT_COMPLETIONS.read(CHAT_COMPLETIONS.fold(events)).findings
    assert isinstance(tokens, Tokens) and tokens.input == 3
    assert isinstance(call, ToolCall) and call.input == "ab"
