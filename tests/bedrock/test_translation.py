"""The pure parts: what becomes of a request, and frames checked against botocore's own decoder."""

import json

import pytest
from anthropic._streaming import SSEDecoder
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from coderai.bedrock import NotTranslated
from coderai.bedrock.answer import Events
from coderai.bedrock.event_stream import BadFrame, Frames
from coderai.bedrock.request import translate
from tests.bedrock.aws import event, exception, frame

SONNET_45 = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS_45 = "anthropic.claude-opus-4-5-20251101-v1:0"
OPUS_46 = "anthropic.claude-opus-4-6-v1"


def translated(model: str = SONNET_45, betas: str = "", **fields):
    return json.loads(translate(json.dumps({"model": "m", **fields}).encode(), betas, model)[0])


def test_what_bedrock_refuses_is_stripped() -> None:
    more = ("metadata", "service_tier", "container", "inference_geo", "output_config", "context_management")
    assert translated(stream=True, kept=1, **{name: {} for name in more}) == {
        "kept": 1,
        "anthropic_version": "bedrock-2023-05-31",
    }


def test_what_is_nested_keeps_its_bytes() -> None:
    body = b'{"model":"m", "messages": [ 1.0,  12345678901234567890123, "\\u00e9" ] , "stream" : true}'
    out, streamed = translate(body, "", SONNET_45)
    assert b'[ 1.0,  12345678901234567890123, "\\u00e9" ]' in out
    assert streamed


def test_half_a_surrogate_pair_changes_nothing() -> None:
    """JSON.stringify writes them so; Anthropic's side of the gateway takes them, too."""
    body = rb""" {"a" : "\ud83d", "model":"m","b\u0062":[ 1.50e2, "\u00e9", {"x":"]}," } ],"stream" :true ,"c":"\"" }"""
    out, streamed = translate(body, "", SONNET_45)
    assert out == (
        rb'{"a":"\ud83d","bb":[ 1.50e2, "\u00e9", {"x":"]}," } ],"c":"\"","anthropic_version":"bedrock-2023-05-31"}'
    )
    assert streamed


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.sampled_from([(",", ":"), (" , ", " :\n")]))
def test_however_it_is_read_it_is_the_same(fields: dict, separators: tuple[str, str]) -> None:
    body = json.dumps({**fields, "model": "m"}, separators=separators)
    expected, _ = translate(body.encode(), "", SONNET_45)
    half = body.replace("{", '{"z":"\\ud83d"' + separators[0], 1)
    assert translate(half.encode(), "", SONNET_45)[0] == expected.replace(b"{", rb'{"z":"\ud83d",', 1) or "z" in fields


@pytest.mark.parametrize(
    "body", [b"[]", b"{", rb'"\ud83d"', rb'{"\ud83d":1}', b'{"a":' + b"[" * 9999 + b"]" * 9999 + b"}"]
)
def test_what_cannot_be_translated_is_said_so(body: bytes) -> None:
    with pytest.raises(NotTranslated):
        translate(body, "", SONNET_45)


@pytest.mark.parametrize(
    ("model", "flag", "field"),
    [(SONNET_45, "context-management-2025-06-27", "context_management"),
     (OPUS_45, "effort-2025-11-24", "output_config"),
     (OPUS_46, "effort-2025-11-24", "output_config")],
)  # fmt: skip
def test_a_flag_that_the_model_takes_keeps_its_field(model: str, flag: str, field: str) -> None:
    out = translated(model, f"claude-code-20250219, {flag}", **{field: {"x": 1}})
    assert (out["anthropic_beta"], out[field]) == ([flag], {"x": 1})


def test_a_flag_that_the_model_does_not_take_goes() -> None:
    assert "anthropic_beta" not in translated(SONNET_45, "effort-2025-11-24,oauth-2025-04-20")


@pytest.mark.parametrize("most", [b"1e999", b"9" * 400, b"-5", b'"x"'])
def test_no_number_of_tokens_is_a_fault_of_ours(most: bytes) -> None:
    body = b'{"model":"m","thinking":{"type":"adaptive"},"max_tokens":%b}' % most
    try:
        out = json.loads(translate(body, "", SONNET_45)[0])
    except NotTranslated:
        return
    assert out["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "most", "effort", "thinking"),
    [
        (SONNET_45, 10000, None, {"type": "enabled", "budget_tokens": 8000}),
        (SONNET_45, 10000, "low", {"type": "enabled", "budget_tokens": 2000}),
        (SONNET_45, 10000, "medium", {"type": "enabled", "budget_tokens": 5000}),
        (SONNET_45, 10000, "max", {"type": "enabled", "budget_tokens": 9500}),
        (SONNET_45, 1000, None, {"type": "disabled"}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", 10000, None, {"type": "enabled", "budget_tokens": 8000}),
        ("anthropic.claude-sonnet-4-20250514-v1:0", 10000, None, {"type": "enabled", "budget_tokens": 8000}),
        (OPUS_46, 10000, None, {"type": "adaptive"}),
        ("anthropic.claude-opus-5-v1", 10000, None, {"type": "adaptive"}),
    ],
)
def test_adaptive_thinking(model: str, most: int, effort: str | None, thinking: dict) -> None:
    config = {"output_config": {"effort": effort}} if effort else {}
    assert translated(model, max_tokens=most, thinking={"type": "adaptive"}, **config)["thinking"] == thinking


def test_no_object() -> None:
    with pytest.raises(NotTranslated):
        translate(b"[]", "", SONNET_45)


def test_the_tests_frames_are_aws_s() -> None:
    stream = event({"type": "ping"}) + exception("throttlingException", "slow")
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    theirs = [(message.headers, message.payload) for message in buffer]
    frames = Frames()
    ours = [frame for at in range(len(stream)) for frame in frames.feed(stream[at : at + 1])]
    assert ours == theirs
    assert not frames.amid


@pytest.mark.parametrize("at", [0, 5, 9, 14, 40, -1])
def test_a_flipped_bit_is_seen(at: int) -> None:
    stream = bytearray(event({"type": "ping"}))
    stream[at] ^= 1
    with pytest.raises(BadFrame):
        list(Frames().feed(bytes(stream)))


def test_what_came_whole_before_a_damaged_frame_is_given() -> None:
    good, bad = event({"type": "ping"}), event({"type": "ping"})[:-1] + b"\x00"
    given = []
    with pytest.raises(BadFrame):
        given.extend(frame.payload for frame in Frames().feed(good + good + bad))
    assert len(given) == 2


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.just("\ud83d")
DATA = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=4)
NAMES = st.sampled_from(["message_start", "content_block_delta", "ping", "message_stop", "one_of_2030"])
CHUNKS = st.builds(lambda data, name: event({**data, "type": name}), DATA, NAMES)
OTHERS = st.sampled_from([
    event({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}),
    event({"type": None}),
    frame({":event-type": "of_another_kind", ":message-type": "event"}, b"{}"),
    exception("throttlingException", "slow"),
    exception("modelStreamErrorException", "oh"),
])  # fmt: skip


@given(st.lists(CHUNKS | OTHERS, max_size=8).map(b"".join), st.integers(1, 400))
def test_clients_get_what_the_official_sdk_decodes(stream: bytes, size: int) -> None:
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    events = Events()
    ours = b"".join(part for piece in pieces for part in events.feed(piece))
    decoder = SSEDecoder()
    got = [(one.event, one.data) for one in decoder.iter_bytes(iter([ours]))]
    expected = [(one.event, one.data) for one in AWSEventStreamDecoder().iter_bytes(iter(pieces))]
    assert [one for one in got if one[0] != "error"] == [one for one in expected if one[0] != "error"]
    assert [name for name, _ in got] == [name for name, _ in expected]
    assert events.end() == b""
