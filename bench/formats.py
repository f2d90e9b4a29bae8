"""Settings, requests of three sizes, and an event of each format through its tap."""

import json

from bench.timing import best_us, shown
from coderai.config import resolve
from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.stream_tap import StreamTap

EVENTS: dict[str, tuple[Format, bytes, bytes]] = {
    "chat completions": (
        CHAT_COMPLETIONS,
        b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n',
        b'data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","choices":'
        b'[{"index":0,"delta":{"content":" return the value"},"finish_reason":null}]}\n\n',
    ),
    "messages": (
        MESSAGES,
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":9}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":" return the value"}}\n\n',
    ),
    "responses": (
        RESPONSES,
        b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n',
        b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":7,'
        b'"item_id":"msg_1","output_index":0,"content_index":0,"delta":" return the value"}\n\n',
    ),
}

# The same of a tool's input, which is kept and read at the end.
TOOL_EVENTS: dict[str, bytes] = {
    "chat completions": b'data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    b'"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"return the value"}}]},'
    b'"finish_reason":null}]}\n\n',
    "messages": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"input_json_delta","partial_json":"return the value"}}\n\n',
    "responses": b"event: response.function_call_arguments.delta\n"
    b'data: {"type":"response.function_call_arguments.delta","sequence_number":7,"item_id":"fc_1","output_index":0,'
    b'"delta":"return the value"}\n\n',
}
STREAM = 100  # events


def measure() -> list[tuple[str, str]]:
    environ = {"CODER_AIBRIDGE_ENABLED": "true", "CODER_AIBRIDGE_OPENAI_KEY": "sk-1"}
    figures = [("settings resolved", shown(best_us(lambda: resolve({}, environ))))]
    for size, name in ((2_000, "2 kB"), (100_000, "100 kB"), (2_000_000, "2 MB")):
        for format in (CHAT_COMPLETIONS, MESSAGES):
            body = _request(size)
            figures.append((f"request read, {name}, {format.path}", shown(best_us(lambda f=format, b=body: f.ask(b)))))
    for name, (format, first, event) in EVENTS.items():
        tap = StreamTap(format, None)
        tap.feed(first)
        figures.append(
            (f"event through the tap, {name} ({len(event)} bytes)", shown(best_us(lambda t=tap, e=event: t.feed(e))))
        )
        event = TOOL_EVENTS[name]
        what = f"event of a tool's input through the tap and read, {name} ({len(event)} bytes)"
        figures.append((what, shown(best_us(lambda f=format, s=[first, *[event] * STREAM]: _read(f, s)) / STREAM)))
    return figures


def _read(format: Format, stream: list[bytes]) -> None:
    tap = StreamTap(format, None)
    for event in stream:
        tap.feed(event)
    tap.read()


def _request(size: int) -> bytes:
    messages = []
    while len(json.dumps(messages)) < size - 200:
        role = "assistant" if len(messages) % 2 else "user"
        messages.append({"role": role, "content": "def value(): return 7\n" * min(180, max(1, size // 60))})
    messages.append({"role": "user", "content": "mend the bug"})
    return json.dumps({"model": "gpt-4o", "max_tokens": 1024, "stream": False, "messages": messages}).encode()
