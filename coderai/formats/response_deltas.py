"""What the deltas of a streamed response say of an item that is not finished yet.

Spec: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from typing import Any, NamedTuple

from coderai.formats.loose import mapping, text
from coderai.formats.response_items import Item


class Target(NamedTuple):
    """What a delta adds to: a field of the item, and which part of it."""

    field: str
    counted_by: str = ""  # the event's field that counts the parts, where there may be several


DELTAS = {
    "response.function_call_arguments.delta": Target("arguments"),
    "response.mcp_call_arguments.delta": Target("arguments"),
    "response.custom_tool_call_input.delta": Target("input"),
    "response.code_interpreter_call_code.delta": Target("code"),
    "response.shell_call_command.added": Target("action", "command_index"),
    "response.shell_call_command.delta": Target("action", "command_index"),
    "response.apply_patch_call_operation_diff.delta": Target("operation"),
    "response.reasoning_summary_text.delta": Target("summary", "summary_index"),
    "response.reasoning_text.delta": Target("content", "content_index"),
}
_LISTS = ("summary", "content")


class Unfinished:
    """One item's deltas, gathered."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._parts: dict[str, dict[Any, list[str]]] = {}  # by field, by index

    def add(self, target: Target, index: Any, delta: Any) -> None:
        parts = self._parts.setdefault(target.field, {})
        parts.setdefault(index if isinstance(index, int) else 0, []).append(text(delta))

    def item(self) -> Item:
        """As far as it came."""
        self._item.incomplete = True
        for field, parts in self._parts.items():
            setattr(self._item, field, self._joined(field, ["".join(parts[index]) for index in sorted(parts)]))
        return self._item

    def _joined(self, field: str, texts: list[str]) -> Any:
        if field in _LISTS:
            return [{"text": each} for each in texts]
        joined = "\n".join(texts)
        # what is to be done, and to which file, has come with the item
        return mapping(self._item.operation) | {"diff": joined} if field == "operation" else joined
