"""What the simulated provider says, whatever the format, and how it becomes the events of a stream.

Contract: pure. An `Answer` is one thing that a model said; each format's file has a function for the whole body and one
for the stream's events, made from that body.
"""

import json
import uuid
from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class Call(Struct, frozen=True):
    tool: str
    arguments: str  # JSON text


class Answer(Struct, frozen=True, kw_only=True):
    model: str
    thought: str
    text: str
    call: Call | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def pieces(text: str) -> list[str]:
    """The text in deltas of a word each."""
    return [piece + " " for piece in text.split(" ")[:-1]] + text.split(" ")[-1:]


def data(payload: Json) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def event(payload: Json) -> bytes:
    return f"event: {payload['type']}\n".encode() + data(payload)
