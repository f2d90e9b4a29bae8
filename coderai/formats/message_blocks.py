"""The blocks of a message's content, as far as they are read: tool calls, what these failed with, and thoughts.

Spec: https://docs.anthropic.com/en/api/messages
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import astuple

from coderai.formats.called import noted
from coderai.formats.format import NotUnderstood
from coderai.formats.loose import mapping, object_of, text, texts_in, written
from coderai.records import ToolCall

_SERVER_SIDE = ("server_tool_use", "mcp_tool_use")
_WHOSE = ("server_name", "toolset_name")


class _Given(Struct):
    type: Any = ""
    id: Any = ""
    name: Any = ""
    input: Raw = Raw(b"{}")
    thinking: Any = ""
    server_name: Any = None
    toolset_name: Any = None
    caller: Any = None
    tool_use_id: Any = None  # of a result: its call's, and what came of that
    is_error: Any = None
    content: Raw = Raw(b"null")


class Block(_Given):
    input: Any = Raw(b"{}")  # a str of a stream
    incomplete: bool = False

    def take(self, inputs: Iterable[str], thoughts: Iterable[str]) -> None:
        """What a stream's deltas brought."""
        self.input = "".join(inputs) or self.input
        self.thinking = text(self.thinking) + "".join(thoughts)


def block_of(raw: Raw) -> Block:
    try:
        block = object_of(bytes(raw), _Given)
    except NotUnderstood:
        return Block()
    return Block(*astuple(block))


def failures_in(blocks: Iterable[Block]) -> dict[str, str]:
    """What the provider's own calls failed with, as their results tell, by the calls' ids."""
    results = [block for block in blocks if block.tool_use_id]
    return {text(block.tool_use_id): failure for block in results if (failure := _failure(block))}


def _failure(block: Block) -> str:
    content = bytes(block.content)
    if block.is_error is True:  # of MCP: in words
        return "".join(texts_in(content)) or "error"
    if content.find(b"_error") < 0:  # nearly always, and there may be whole documents in it
        return ""
    return written(block.content) if text(mapping(content).get("type")).endswith("_error") else ""


def tool_of(message_id: str, block: Block, failures: Mapping[str, str]) -> ToolCall:
    call_id, given = text(block.id), written(block.input)
    return ToolCall(
        message_id=message_id,
        call_id=call_id,
        tool=text(block.name),
        input=given or "{}",
        invocation_error=failures.get(call_id),
        metadata=noted(block, _WHOSE, server=block.type in _SERVER_SIDE),
    )
