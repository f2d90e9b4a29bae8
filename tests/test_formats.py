"""What no recording can show: that nothing a client or a provider sends makes a format raise."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format, NotUnderstood
from coderai.formats.prompt import is_prompt
from coderai.records import Tokens, ToolCall
from coderai.stream_tap import StreamTap
from coderai.tap import WholeTap

FORMATS = [CHAT_COMPLETIONS, RESPONSES, MESSAGES]
each = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)

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


@each
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"model":""}', b'{"model":5}', b"null"])
def test_no_object_or_no_model(format: Format, body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        format.ask(body)


@each
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 501, 503, 504])
def test_our_errors_read_as_the_provider_s(format: Format, status: int) -> None:
    reading = format.read(format.whole(format.error(status, "no")))
    assert reading.error_message == "no"
    assert reading.error_type


BODY = b'{"model":"m","stream":true,%b"messages":[{"role":"user","content":"{\\"stream_options\\":null}"}]}'
ASKED = b'"stream_options":{"include_usage":true}'


@pytest.mark.parametrize(
    ("options", "spliced"),
    [
        (b'"stream_options":null,', ASKED + b","),
        (b'"stream_options":false,', ASKED + b","),
        (b'"stream_options":{},', ASKED + b","),
        (b'"stream_options" : { "include_usage" : false },', None),
        (b'"stream\\u005foptions":{"x":1},', b'"stream\\u005foptions":{"include_usage":true,"x":1},'),
        (b'"stream_options":{"include\\u005fusage":false,"x":1},', None),
        (b'"stream_options":{"x":"}"},', b'"stream_options":{"include_usage":true,"x":"}"},'),
    ],
)
def test_usage_is_asked_for_by_splicing(options: bytes, spliced: bytes | None) -> None:
    ask = CHAT_COMPLETIONS.ask(BODY % options)
    assert ask.withholds_usage
    assert json.loads(ask.body)["stream_options"]["include_usage"] is True
    if spliced is not None:
        assert ask.body == BODY % spliced


def test_what_need_not_be_changed_is_the_very_same_bytes() -> None:
    for body in (BODY % (ASKED + b","), (BODY % b"").replace(b"true", b"false")):
        assert CHAT_COMPLETIONS.ask(body).body is body
    assert CHAT_COMPLETIONS.ask(BODY % b"", include_usage=False).body == BODY % b""


@pytest.mark.parametrize("options", [b"", b'"stream_options":{},'])
def test_splicing_into_a_large_body_takes_little_more_memory_than_the_body(options: bytes) -> None:
    """With an escape in it, which any letter beyond ASCII may be, and one long string, as an image is."""
    body = (BODY % options).replace(b"null", b"\\u00e9" + b"A" * 3_000_000)
    tracemalloc.start()
    ask = CHAT_COMPLETIONS.ask(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert json.loads(ask.body)["stream_options"] == {"include_usage": True}
    assert peak < 6 * len(body)


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ("\n<system-reminder>\nthe date\n</system-reminder> \n", False),
        ("<system-reminder></system-reminder>", False),
        ("<system-reminder>a</system-reminder>mend it", True),
        ("mend it<system-reminder>a</system-reminder>", True),
        ("<system-reminder>a</system-reminder><system-reminder>b</system-reminder>", True),
        ("<system-reminder>", True),
        ("</system-reminder>", True),
        (" ", True),
        ("", False),
    ],
)
def test_what_is_nothing_but_a_reminder_is_no_prompt(words: str, prompt: bool) -> None:
    assert is_prompt(words) is prompt


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


@each
def test_json_that_holds_no_answer_is_no_whole_one(format: Format) -> None:
    tap = StreamTap(format, None)
    tap.feed(b"{\n\n}")
    tap.read()
    assert not tap.terminal


def test_an_error_however_deep_is_read() -> None:
    body = b'{"detail":' * 600 + b'"no"' + b"}" * 600
    assert CHAT_COMPLETIONS.read(CHAT_COMPLETIONS.whole(body)).error_type is None


@pytest.mark.parametrize("kind", [WholeTap, StreamTap])
@each
def test_an_answer_too_deep_to_be_read_says_so(format: Format, kind: type[WholeTap] | type[StreamTap]) -> None:
    """StreamTap: it came in a stream's place."""
    tap = kind(format, None)
    tap.feed(b'{"id":"i","object":"response","x":' + b'{"a":' * 3000 + b"1" + b"}" * 3001)
    reading = tap.read()
    assert (reading.error_type, reading.error_message) == ("answer_not_read", "the body is nested too deeply")
    assert kind is WholeTap or tap.terminal  # it is not incomplete


ERRORS = [
    (b'{"detail":"no"}', "error", "no"),
    (b'[{"error":{"status":"UNAVAILABLE","message":"no"}}]', "UNAVAILABLE", "no"),
    (b'{"message":"no"}', "error", "no"),
    (b'{"message":"no","code":"too_much"}', "too_much", "no"),
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


def test_many_comments_before_a_stream() -> None:
    stream = b": a\n\n" * 1000 + b': b\ndata: {"id":"c","choices":[]}\n\n' + b": d\n\n" * 10 + b"data: [DONE]\n\n"
    tap = StreamTap(CHAT_COMPLETIONS, None)
    assert tap.feed(stream) + tap.held() == stream
    assert (tap.read().message_id, tap.terminal) == ("c", True)


CHATS = {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005}
COUNTED = {"input_tokens": 10, "output_tokens": 5}
FALLBACK = [
    {"type": "message", "model": "a", "input_tokens": 10, "output_tokens": 3},
    {"type": "fallback_message", "model": "b", "input_tokens": 11, "output_tokens": 5},
]


@pytest.mark.parametrize(
    ("format", "usage", "expected", "metadata"),
    [
        (CHAT_COMPLETIONS, CHATS, (1000, 5, 0, 0), {}),
        (CHAT_COMPLETIONS, CHATS | {"total_tokens": 1300}, (1000, 5, 0, 0), {"total_tokens": 1300}),  # Gemini's
        (CHAT_COMPLETIONS, CHATS | {"total_tokens": None}, (1000, 5, 0, 0), {}),
        (  # LiteLLM, of two ages
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 400, "cache_creation_tokens": 500}},
            (100, 5, 400, 500),
            {"prompt_cached": 400, "prompt_cache_write": 500},
        ),
        (
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 400}, "cache_creation_input_tokens": 500},
            (100, 5, 400, 500),
            {"prompt_cached": 400},
        ),
        (  # Qwen
            CHAT_COMPLETIONS,
            CHATS | {"prompt_tokens_details": {"cached_tokens": 0, "cache_creation_input_tokens": 900}},
            (100, 5, 0, 900),
            {"prompt_cached": 0, "prompt_cache_write": 900},
        ),
        (  # DeepSeek
            CHAT_COMPLETIONS,
            CHATS | {"prompt_cache_hit_tokens": 900, "prompt_cache_miss_tokens": 100},
            (100, 5, 900, 0),
            {},
        ),
        (CHAT_COMPLETIONS, {"prompt_tokens": 2**70, "completion_tokens": -4}, (2**63 - 1, 0, 0, 0), {}),
        (CHAT_COMPLETIONS, {"prompt_tokens": 1e300, "completion_tokens": 4.0}, (2**63 - 1, 4, 0, 0), {}),
        (
            CHAT_COMPLETIONS,
            {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
            (0, 2**63 - 1, 0, 0),
            {},
        ),
        (
            MESSAGES,
            COUNTED | {"output_tokens_details": {"thinking_tokens": 3}, "service_tier": "priority", "speed": "fast"},
            (10, 5, 0, 0),
            {"output_thinking": 3, "service_tier": "priority", "speed": "fast"},
        ),
        (
            MESSAGES,
            COUNTED | {"server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2}, "service_tier": None},
            (10, 5, 0, 0),
            {"web_search_requests": 1, "web_fetch_requests": 2},
        ),
        (MESSAGES, COUNTED | {"inference_geo": "us"}, (10, 5, 0, 0), {"inference_geo": "us"}),
        (MESSAGES, COUNTED | {"inference_geo": "global", "service_tier": "standard"}, (10, 5, 0, 0), {}),
        (MESSAGES, COUNTED | {"iterations": FALLBACK}, (10, 5, 0, 0), {"fallback_message_model": "b"}),
        (MESSAGES, {"input_tokens": -1, "output_tokens": 2**64}, (0, 2**63 - 1, 0, 0), {}),
        (RESPONSES, COUNTED | {"total_tokens": 2**80}, (10, 5, 0, 0), {"total_tokens": 2**63 - 1}),
    ],
)
def test_what_an_answer_took(format: Format, usage: dict, expected: tuple[int, ...], metadata: dict) -> None:
    (tokens,) = format.read(format.whole(json.dumps({"id": "i", "usage": usage}).encode())).findings
    assert isinstance(tokens, Tokens)
    assert (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write) == expected
    assert tokens.metadata == metadata


IMAGES = {"input_tokens": 50, "output_tokens": 4000, "total_tokens": 4050, "cached_tokens": 7}


@pytest.mark.parametrize(
    ("beside", "metadata"),
    [
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
        ({"service_tier": "default", "tool_usage": {"web_search": {"num_requests": 0}}}, {}),
        ({"service_tier": 5, "tool_usage": [{}]}, {}),
        (
            {"service_tier": "flex", "tool_usage": {"image_gen": IMAGES, "web_search": {"num_requests": 3}}},
            {
                "service_tier": "flex",
                "web_search_requests": 3,
                "image_gen_input": 50,
                "image_gen_output": 4000,
                "image_gen_cache_read_input": 7,
            },
        ),
    ],
)
def test_what_a_response_costs_beside_its_tokens(beside: dict, metadata: dict) -> None:
    answer = {"id": "r", "object": "response", "usage": COUNTED} | beside
    ended = json.dumps({"type": "response.completed", "response": answer}).encode()
    for read in (RESPONSES.fold([ended]), RESPONSES.whole(json.dumps(answer).encode())):
        (tokens,) = RESPONSES.read(read).findings
        assert isinstance(tokens, Tokens) and tokens.metadata == metadata


@pytest.mark.parametrize(("tier", "metadata"), [("flex", {"service_tier": "flex"}), ("default", {}), (None, {})])
def test_what_a_completion_costs_beside_its_tokens(tier: str | None, metadata: dict) -> None:
    base = {"id": "c", "service_tier": tier}
    chunks = [base | {"choices": [{"index": 0, "delta": {"content": "x"}}]}, {"id": "c", "usage": CHATS, "choices": []}]
    for read in (
        CHAT_COMPLETIONS.fold([json.dumps(chunk).encode() for chunk in chunks]),
        CHAT_COMPLETIONS.whole(json.dumps(base | {"choices": [], "usage": CHATS}).encode()),
    ):
        (tokens,) = CHAT_COMPLETIONS.read(read).findings
        assert isinstance(tokens, Tokens) and tokens.metadata == metadata


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": CHATS}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "r", "usage": CHATS}},
    ],
)
def test_usage_of_a_stream_that_was_not_asked_for_it_may_stand_elsewhere(elsewhere: dict) -> None:
    """Kimi's in the choice, Groq's in a field of its own; where it stands at the top as well, that one counts."""
    first: dict = {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}], "x_groq": {"id": "r"}}
    for last, output in (({}, 5), ({"choices": [], "usage": {"completion_tokens": 6}}, 6)):
        tap = StreamTap(CHAT_COMPLETIONS, None)
        for chunk in (first, elsewhere, last):
            tap.feed(b"data: %b\n\n" % json.dumps({"id": "c"} | chunk).encode())
        tap.feed(b"data: [DONE]\n\n")
        (tokens,) = tap.read().findings
        assert isinstance(tokens, Tokens) and tokens.output == output


EMPTY = [b'{"code":0,"message":""}', b'{"message":null}', b'{"code":0}', b'{"type":""}', b"{}", b'""']


@each
@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("ended", [b"\n\n", b"\r\n\r\n", b""])
@pytest.mark.parametrize("size", [1, 40, 1000])
def test_an_error_that_tells_nothing_is_no_end(format: Format, empty: bytes, ended: bytes, size: int) -> None:
    line = b'data: {"error":%b,"id":"c"}' % empty
    told = b'data: {"error":{"code":5},"id":"c"}'
    for last, terminal in ((line, False), (told, True)):
        stream = (line + (ended or b"\n\n")) * 2 + last + ended
        tap = StreamTap(format, None)
        sent = b"".join(tap.feed(stream[at : at + size]) for at in range(0, len(stream), size))
        reading = tap.read()
        assert (tap.terminal, reading.error_type) == (terminal, "error" if terminal else None)
        assert sent + tap.held() == stream


@pytest.mark.parametrize(
    ("format", "last"),
    [
        (MESSAGES, {"type": "message_stop"}),
        (MESSAGES, {"error": {"type": "overloaded_error"}}),
        (RESPONSES, {"type": "response.completed", "response": {"id": "r"}}),
        (CHAT_COMPLETIONS, {"id": "c", "code": 5, "error": {"message": "no"}}),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 1000])
def test_an_end_in_several_lines_is_one(format: Format, last: dict, end: bytes, size: int) -> None:
    lines = [b"data: " + line for line in json.dumps(last, indent=1).encode().splitlines()]
    stream = b"data: {" + end * 2 + b'data: "type": "message_stop"}' + end * 2 + end.join([*lines, b"", b""])
    tap = StreamTap(format, None)
    sent = b"".join(tap.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert tap.terminal and len(sent) < len(stream)
    assert sent + tap.held() == stream


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
