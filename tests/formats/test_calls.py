"""Tool calls that a stream brings in pieces, told apart without ids."""

import json

import pytest

from coderai.formats import CHAT_COMPLETIONS, MESSAGES
from coderai.formats.format import Format
from coderai.records import ToolCall


def test_blocks_that_are_counted_by_texts_are_told_apart() -> None:
    events = [
        b'{"type":"content_block_start","index":"%s","content_block":{"type":"tool_use","id":"t%s","name":"f"}}'
        % (n, n)
        for n in (b"0", b"1")
    ]
    delta = (
        b'{"type":"content_block_delta","index":"0","delta":{"type":"input_json_delta","partial_json":"{\\"a\\":1}"}}'
    )
    tools = MESSAGES.read(MESSAGES.fold([*events, delta])).findings
    assert [(tool.call_id, tool.input) for tool in tools if isinstance(tool, ToolCall)] == [
        ("t0", '{"a":1}'),
        ("t1", "{}"),
    ]


def called(name: str, arguments: object = None, **fields: object) -> dict:
    function = {"name": name} | ({} if arguments is None else {"arguments": arguments})
    return fields | {"function": function}


def more(arguments: str, **fields: object) -> dict:
    return fields | {"function": {"arguments": arguments}}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        # of one index, without ids: early Gemini's, and what translates it
        ([[called("ls", '{"p":1}', index=0)], [called("cat", '{"q":2}', index=0)]], ['ls {"p":1}', 'cat {"q":2}']),
        ([[called("ls", "", index=0)], [called("cat", "", index=0)]], ["ls ", "cat "]),
        (
            [[called("ls", '{"p":1}', index=0, id=""), called("ls", '{"p":2}', index=0, id="")]],
            ['ls {"p":1}', 'ls {"p":2}'],
        ),
        ([[called("ls", {"p": 1}, index=0)], [called("ls", {"p": 1}, index=0)]], ['ls {"p":1}', 'ls {"p":1}']),
        (
            [
                [called("ls", '{"p"', index=0)],
                [more(":1}", index=0)],
                [called("cat", "{", index=0)],
                [more("}", index=0)],
            ],
            ['ls {"p":1}', "cat {}"],
        ),
        # without an index
        ([[called("ls", '{"p":1}')], [called("cat", '{"q":2}')]], ['ls {"p":1}', 'cat {"q":2}']),
        ([[called("ls", '{"p":1}'), called("ls", '{"q":2}')]], ['ls {"p":1}', 'ls {"q":2}']),
        (
            [[called("ls", '{"p":1}'), called("cat", '{"q"')], [more("", index=0), more(":2}", index=1)]],
            ['ls {"p":1}', 'cat {"q":2}'],
        ),
        # one call all the same: its name in each piece, in pieces, or again at the end
        ([[called("ls", '{"p"', index=0)], [called("ls", ":1}", index=0)]], ['ls {"p":1}']),
        ([[called("ls", "{", index=0)], [called("ls", "}", index=0)], [called("ls", "", index=0)]], ["ls {}"]),
        ([[called("ls", "{}", index=0)], [called("ls", " ", index=0)], [called("ls", index=0)]], ["ls {} "]),
        ([[called("get_", index=0)], [called("it", index=0)], [more("{}", index=0)]], ["get_it {}"]),
        ([[called("ls", "", index=0)], [called("ls", "{}", index=0)]], ["ls {}"]),
        ([[called("ls", "", index=0)], [called("", "{", index=0)], [called("", "}", index=0)]], ["ls {}"]),
        # indices that are written as fractions
        (
            [
                [called("ls", '{"p":', index=0.0, id="a")],
                [called("cat", "{", index=1.0, id="b")],
                [more("1}", index=0.0)],
                [more("}", index=1)],
            ],
            ['ls {"p":1}', "cat {}"],
        ),
    ],
)
def test_calls_are_told_apart_without_ids(chunks: list[list[dict]], expected: list[str]) -> None:
    events = [{"id": "c", "choices": [{"index": 0.0, "delta": {"tool_calls": calls}}]} for calls in chunks]
    events.append({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    calls = CHAT_COMPLETIONS.read(CHAT_COMPLETIONS.fold([json.dumps(event).encode() for event in events])).findings
    assert [f"{call.tool} {call.input}" for call in calls if isinstance(call, ToolCall)] == expected
    assert not any(call.metadata for call in calls)


def calls_of(format: Format, answer: object) -> list[tuple[str, bool]]:
    """Their tools, and whether they were cut off."""
    found = format.read(answer).findings
    return [(call.tool, "incomplete" in call.metadata) for call in found if isinstance(call, ToolCall)]


@pytest.mark.parametrize(("reason", "cut"), [("length", True), ("tool_calls", False)])
def test_of_a_completion_that_reached_its_limit_the_last_call_is_incomplete(reason: str, cut: bool) -> None:
    calls = [called("ls", "{}", index=0, id="a"), called("cat", '{"pa', index=1, id="b")]
    expected = [("ls", False), ("cat", cut)]
    whole = {"id": "c", "choices": [{"message": {"tool_calls": calls}, "finish_reason": reason}]}
    assert calls_of(CHAT_COMPLETIONS, CHAT_COMPLETIONS.whole(json.dumps(whole).encode())) == expected
    chunks = [{"index": 0, "delta": {"tool_calls": calls}}, {"index": 0, "delta": {}, "finish_reason": reason}]
    events = [json.dumps({"id": "c", "choices": [chunk]}).encode() for chunk in chunks]
    assert calls_of(CHAT_COMPLETIONS, CHAT_COMPLETIONS.fold(events)) == expected


@pytest.mark.parametrize(
    ("reason", "cut"), [("max_tokens", True), ("model_context_window_exceeded", True), ("tool_use", False)]
)
def test_of_a_message_that_reached_its_limit_the_last_call_is_incomplete(reason: str, cut: bool) -> None:
    blocks = [{"type": "tool_use", "id": name, "name": name, "input": {}} for name in ("ls", "cat")]
    expected = [("ls", False), ("cat", cut)]
    whole = {"id": "m", "content": blocks, "stop_reason": reason}
    assert calls_of(MESSAGES, MESSAGES.whole(json.dumps(whole).encode())) == expected
    events: list[dict] = [{"type": "message_start", "message": {"id": "m"}}]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}})
    assert calls_of(MESSAGES, MESSAGES.fold([json.dumps(event).encode() for event in events])) == expected
    del events[2:]
    assert calls_of(MESSAGES, MESSAGES.fold([json.dumps(event).encode() for event in events])) == [("ls", True)]


def test_a_text_that_reached_the_limit_leaves_the_calls_before_it_whole() -> None:
    blocks = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, {"type": "text", "text": "On"}]
    whole = {"id": "m", "content": blocks, "stop_reason": "max_tokens"}
    assert calls_of(MESSAGES, MESSAGES.whole(json.dumps(whole).encode())) == [("web_search", False)]
