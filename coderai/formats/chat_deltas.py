"""What the chunks of a streamed chat completion say of one choice, joined to the choice of a whole answer.

Spec: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Container
from typing import Any

from coderai.formats.loose import items, mapping, text

# What a part of a tool call adds to, by its kind.
_CALLED = {"function": ("name", "arguments"), "custom": ("name", "input")}


class Choice:
    """One choice's deltas, gathered."""

    def __init__(self) -> None:
        self.finished = False
        self.thoughts: dict[str, list[str]] = {"reasoning_content": [], "reasoning": []}
        self.function: dict[str, list[str]] | None = None  # the legacy one: name, arguments
        self.calls: dict[int, dict[str, list[str]]] = {}

    def add(self, choice: dict[str, Any]) -> None:
        if choice.get("finish_reason"):
            self.finished = True
        for name, given in mapping(choice.get("delta")).items():
            if name in self.thoughts:
                self.thoughts[name].append(text(given))
            elif name == "tool_calls":
                for position, call in enumerate(map(mapping, items(given))):
                    index = call.get("index")
                    self._add_call(index if isinstance(index, int) else position, call)
            elif name == "function_call" and (function := mapping(given)):
                self.function = self.function or {}
                _gather(self.function, function, ("name", "arguments"))

    def _add_call(self, index: int, call: dict[str, Any]) -> None:
        pieces = self.calls.setdefault(index, {})
        for name, given in call.items():
            if name in _CALLED:
                _gather(pieces, mapping(given), _CALLED[name])
            elif name == "id" and given and not any(pieces.get("id", ())):
                _gather(pieces, call, ("id",))

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {name: "".join(pieces) for name, pieces in self.thoughts.items()}
        message["tool_calls"] = [self._call(self.calls[index]) for index in sorted(self.calls)]
        if self.function is not None:
            message["function_call"] = _joined(self.function) | self._mark()
        return {"message": message}

    def _call(self, pieces: dict[str, list[str]]) -> dict[str, Any]:
        fields = _joined(pieces)
        kind = "custom" if "input" in fields else "function"
        return {"id": fields.get("id", ""), kind: fields} | self._mark()

    def _mark(self) -> dict[str, Any]:
        return {} if self.finished else {"incomplete": True}


def _gather(pieces: dict[str, list[str]], fields: dict[str, Any], names: Container[str]) -> None:
    for name, piece in fields.items():
        if name in names and isinstance(piece, str):
            if name in pieces:
                pieces[name].append(piece)
            else:
                pieces[name] = [piece]


def _joined(pieces: dict[str, list[str]]) -> dict[str, Any]:
    return {name: "".join(some) for name, some in pieces.items()}
