"""The blocks of a message's content, as far as they are read: tool calls and thoughts.

Spec: https://docs.anthropic.com/en/api/messages
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw, Struct

from coderai.formats.called import noted
from coderai.formats.format import NotUnderstood
from coderai.formats.loose import object_of, text, written
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
    return Block(*(getattr(block, name) for name in _Given.__struct_fields__))


def tool_of(message_id: str, block: Block) -> ToolCall:
    given = written(block.input)
    return ToolCall(
        message_id=message_id,
        call_id=text(block.id),
        tool=text(block.name),
        input=given or "{}",
        metadata=noted(block, _WHOSE, server=block.type in _SERVER_SIDE),
    )
