"""The recordings as the specification: relayed to the byte and recorded exactly, whatever the cut and the coding."""

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
import zstandard

from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Ask, Reading
from coderai.records import Thought, Tokens, ToolCall
from coderai.stream_tap import StreamTap
from coderai.tap import ReadingTap, WholeTap
from tests.gateway import Gateway
from tests.provider import CUT, Provider, stream, whole
from tests.recording import KINDS, Recording, recordings

FORMATS = {"/chat/completions": CHAT_COMPLETIONS, "/responses": RESPONSES, "/v1/messages": MESSAGES}
ROUTES = {"openai": "/api/v2/aibridge/openai/v1", "anthropic": "/api/v2/aibridge/anthropic"}
CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
ALL = list(recordings())
each = pytest.mark.parametrize("recording", ALL, ids=lambda recording: recording.name)


def format_of(recording: Recording):
    return FORMATS[recording.path.partition("?")[0].removesuffix("/compact")]


def tapped(recording: Recording, ask: Ask, coding: bytes | None = None) -> ReadingTap:
    if recording.streamed:
        return StreamTap(format_of(recording), coding, ask.withholds_usage)
    return WholeTap(format_of(recording), coding)


def fed(tap: ReadingTap, data: bytes, size: int) -> bytes:
    out = b"".join(tap.feed(data[at : at + size]) for at in range(0, len(data), size))
    return out


def found(reading: Reading) -> list[tuple[str, dict[str, Any]]]:
    """A Reading as the structured log would tell it."""
    records: list[tuple[str, dict[str, Any]]] = []
    for one in reading.findings:
        match one:
            case Tokens():
                fields = {
                    "msg_id": one.message_id,
                    "input_tokens": one.input,
                    "output_tokens": one.output,
                    "cache_read_input_tokens": one.cache_read,
                    "cache_write_input_tokens": one.cache_write,
                }
                records.append(("token_usage", fields | {"metadata": one.metadata}))
            case ToolCall():
                fields = {"msg_id": one.message_id, "tool_call_id": one.call_id, "tool": one.tool, "input": one.input}
                extra = {"server_url": one.server_url, "invocation_error": one.invocation_error}
                records.append(("tool_usage", fields | extra | {"metadata": one.metadata}))
            case Thought():
                records.append(("model_thought", {"content": one.content, "metadata": one.metadata}))
    return records


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # a tool's input may be any text
        return text


def check(recording: Recording, reading: Reading, *, literally: bool = True) -> None:
    """Names a field of the recording's records only where it is told. Not literally: a tool's input as JSON."""
    for kind in ("token_usage", "tool_usage", "model_thought"):
        got = [fields for one, fields in found(reading) if one == kind]
        wanted = recording.expected(kind)
        assert len(got) == len(wanted), got
        for fields, want in zip(got, wanted, strict=True):
            if not literally and "input" in want:
                fields, want = ({**one, "input": parsed(one["input"])} for one in (fields, want))
            named = fields.keys() & want.keys()
            assert {name: fields[name] for name in named} == {name: want[name] for name in named}
    for end in recording.expected("interception_end"):
        provider_said = end.get("error_type") not in ("upstream_disconnected", "incomplete_stream")
        if "error_type" in end and provider_said:
            assert reading.error_type == end["error_type"]
        if "error_message" in end and provider_said:
            assert reading.error_message == end["error_message"]


def asked(recording: Recording) -> Ask:
    return format_of(recording).ask(recording.request)


@each
def test_what_is_asked(recording: Recording) -> None:
    ask = asked(recording)
    assert ask.body == recording.upstream
    for start in recording.expected("interception_start"):
        assert ask.model == start.get("model", ask.model)
        assert (ask.tool_call_id or "") == start.get("correlating_tool_call_id", ask.tool_call_id or "")
    prompts = recording.expected("prompt_usage")
    assert (ask.prompt is not None) == bool(prompts), ask.prompt
    for prompt in prompts:
        assert ask.prompt.text == prompt["prompt"]
        assert ask.prompt.metadata == prompt.get("metadata", ask.prompt.metadata)


@each
@pytest.mark.parametrize("size", [1, 2, 7, 97, 10**9])
def test_relayed_and_read_at_every_cut(recording: Recording, size: int) -> None:
    tap = tapped(recording, asked(recording))
    out = fed(tap, recording.answer, size)
    reading = tap.read()
    assert out + tap.held() == recording.client
    assert tap.fault is None or recording.content_type != "application/json"
    check(recording, reading)


@each
@pytest.mark.parametrize("size", [1, 97, 10**9])
def test_a_whole_answer_in_a_stream_s_place_is_read_alike(recording: Recording, size: int) -> None:
    if recording.streamed:
        return
    tap = StreamTap(format_of(recording), None)
    out = fed(tap, recording.answer, size)
    reading = tap.read()
    assert tap.terminal
    assert out + tap.held() == recording.client
    check(recording, reading)


@each
@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_relayed_and_read_with_crlf(recording: Recording, size: int) -> None:
    if not recording.streamed:
        return
    tap = tapped(recording, asked(recording))
    out = fed(tap, recording.answer.replace(b"\n", b"\r\n"), size)
    reading = tap.read()
    assert out + tap.held() == recording.client.replace(b"\n", b"\r\n")
    check(recording, reading)


@each
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [1, 97, 10**9])
def test_relayed_and_read_coded(recording: Recording, coding: str, size: int) -> None:
    """What is coded comes back as it came: nothing can be left out of it."""
    data = CODINGS[coding](recording.answer)
    tap = tapped(recording, asked(recording), coding.encode())
    out = fed(tap, data, size)
    reading = tap.read()
    assert out + tap.held() == data
    check(recording, reading)


@each
@pytest.mark.parametrize("odd", [b'"\\ud800"', b"NaN", b'"\xff"', b"1" * 400, b'{"a":[{"b":"\\udfff"}]}'])
def test_what_is_odd_about_an_object_costs_nothing_of_it(recording: Recording, odd: bytes) -> None:
    """What msgspec refuses is read by the standard library: the same records come of it."""
    if "malformed" in recording.name:
        return
    member = b'{"odd":%b,"' % odd
    ask = format_of(recording).ask(recording.request.replace(b'{"', member, 1))
    assert (ask.model, ask.prompt, ask.tool_call_id) == (
        asked(recording).model,
        asked(recording).prompt,
        asked(recording).tool_call_id,
    )
    tap = tapped(recording, asked(recording))
    at = b'data: {"' if recording.streamed and b"data:" in recording.answer else b'{"'
    tap.feed(recording.answer.replace(at, at.replace(b'{"', member), -1 if recording.streamed else 1))
    reading = tap.read()
    assert tap.fault is None
    check(recording, reading, literally=False)


@each
def test_nothing_of_the_terminal_event_s_end_goes_out_before_it_is_stored(recording: Recording) -> None:
    """The last byte of the terminal event's blank line is held; of a whole body the last chunk is."""
    tap = tapped(recording, asked(recording))
    out = b"".join(tap.feed(bytes([byte])) for byte in recording.answer)
    if tap.terminal or not recording.streamed:
        assert len(out) < len(recording.client)


@each
def test_through_the_gateway(gateway: Gateway, provider: Provider, token: str, recording: Recording) -> None:
    known = len(gateway.records()) if gateway.log.exists() else 0
    if recording.streamed:
        head, body, *end = stream(recording.answer, ended=not recording.cut)
        provider.answers(head.replace(b"200 OK", b"%d Any" % recording.status), body, *end)
    else:
        fields = (f"Content-Type: {recording.content_type}",)
        data = whole(recording.answer, f"{recording.status} Any", fields)
        provider.answers(data.replace(b"Content-Length: ", b"Content-Length: 9") if recording.cut else data)
    if recording.cut:
        provider._scripts[-1].append(CUT)
    answer = gateway.request(
        "POST", ROUTES[recording.provider] + recording.path, recording.request, recording.headers, token
    )
    assert answer.status == recording.status
    assert answer.broken == recording.cut
    if not recording.cut:
        assert answer.body == recording.client
    assert provider.requests[0].body == recording.upstream
    written = gateway.records()[known:]
    assert written[0]["record_type"] == "interception_start" and written[-1]["record_type"] == "interception_end"
    for kind in KINDS.values():
        got = [record for record in written if record["record_type"] == kind]
        wanted = recording.expected(kind) or ([{}] if kind == "interception_start" else [])
        assert len(got) == len(wanted), got
        for record, want in zip(got, wanted, strict=True):
            assert {name: record[name] for name in want} == want


def test_there_are_enough() -> None:
    assert len(ALL) >= 80
    assert set(KINDS.values()) == {kind for recording in ALL for kind, _ in recording.records}


@pytest.mark.parametrize("field", ["model", "input", "previous_response_id", "conversation"])
def test_half_a_surrogate_pair_in_a_request_is_no_fault_of_it(
    gateway: Gateway, provider: Provider, token: str, field: str
) -> None:
    body = json.dumps({"model": "m", "input": "hi"} | {field: "half \ud800"}).encode()
    provider.answers(whole(b'{"id":"resp_half_\\ud800","output":[]}'))
    assert gateway.request("POST", f"{ROUTES['openai']}/responses", body, token=token).status == 200
    assert provider.requests[0].body == body
