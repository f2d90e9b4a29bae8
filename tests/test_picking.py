"""Events are picked alike whatever their line end: many at once where it is LF, one after the other where it is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coderai import sse
from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.picking import pick

EVENTS = (
    *(b'data: {"type":"x"}\n\n', b": a comment\n\n", b"event: x\n\n", b"\n", b'{"a":1}\n\n'),
    *(b'data: {"usage":{"a":1}}\n\n', b'event: y\ndata: {"x":[],"usage":{"b":2}}\n\n', b'data: {"tool_calls":[]}\n\n'),
    *(b'data: {"type":"message_delta"}\n\n', b'event: z\ndata: {"type":"response.output_item.done"}\n\n'),
    *(b'data: {"error":null}\n\n', b'data: {"error":{"message":"m"}}\n\n', b'data: {"x":"an error"}\n\n'),
    *(b"data: [DONE]\n\n", b'data: {"x":"[DONE]"}\n\n', b'data: {"type":"message_stop"}\n\n'),
    *(b'event: message_stop\ndata: {"type":"message_stop"}\n\n', b'data: {"error":{"code":0}}\n\n'),
    *(b'data: {"error":"m"}\n\n', b"data:\n\n[DONE]\n\n"),
    *(b'data: {"x":"message_stop"}\n\n', b'event: error\ndata: "m"\n\n', b'data: {"type":"response.completed"}\n\n'),
)


def told(events: bytes) -> list[bytes]:
    return sse.payloads(events.replace(b"\r\n", b"\n").replace(b'{"a":1}', b'data: {"a":1}'))


@settings(max_examples=400, deadline=None, derandomize=True)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("format", [CHAT_COMPLETIONS, MESSAGES, RESPONSES], ids=lambda format: format.path)
@given(drawn=st.lists(st.sampled_from(EVENTS), max_size=8))
def test_all_at_once_or_one_by_one(format: Format, first: bool, drawn: list[bytes]) -> None:
    picked = []
    for end in (b"\n", b"\r\n"):
        events = b"".join(drawn).replace(b"\n", end)
        kept, terminal_at = pick(format, events, format.wanted.search(events), first=first)
        if terminal_at is not None:
            assert (2 * end + events[:terminal_at]).endswith(2 * end)
            assert events[terminal_at:].startswith(kept[-1])
        picked.append((told(b"".join(kept)), None if terminal_at is None else told(events[terminal_at:])))
    assert picked[0] == picked[1]
