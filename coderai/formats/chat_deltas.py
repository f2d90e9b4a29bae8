"""What a chat completion's model thought, and what the chunks of a stream say of one choice, joined to a whole one's.

Spec: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Container
from typing import Any

from coderai.formats.loose import items, mapping, text, written

# Where reasoning is found: DeepSeek's name and others', OpenRouter's and vLLM's, Copilot's.
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text")
# Mistral's is a part of the content. https://docs.mistral.ai/capabilities/reasoning/
THINKING = "thinking"
INDEX = (int, float)
# What a part of a tool call adds to, by its kind.
_FUNCTION = ("name", "arguments")
_CUSTOM = ("name", "input")


def thought_of(message: dict[str, Any]) -> tuple[str, str]:
    """What the model thought, and the name of where that was found; both empty if nothing was."""
    for source in THOUGHTS:
        if source in message and (thought := text(message[source])):
            return thought, source
    thought = thinking(message.get("content"))
    return thought, THINKING if thought else ""


def thinking(content: Any) -> str:
    """Of the parts of a content, where it is a list of parts."""
    if isinstance(content, str):  # as it mostly is
        return ""
    parts = [mapping(part) for part in items(content)]
    texts = [mapping(piece) for part in parts if part.get("type") == THINKING for piece in items(part.get(THINKING))]
    return "".join(text(piece.get("text")) for piece in texts)


class Choice:
    """One choice's deltas, gathered."""

    def __init__(self) -> None:
        self.finish_reason: Any = None
        self.error: Any = None  # OpenRouter's, of the model that it chose
        self.usage: Any = None  # which Kimi tells of within the choice
        self.thoughts: dict[str, list[str]] = {name: [] for name in THOUGHTS}
        self.parts: list[Any] = []  # of the content
        self.function: dict[str, list[str]] | None = None  # the legacy one: name, arguments
        self.calls: dict[float, list[dict[str, list[str]]]] = {}  # by index, of which each should have one

    def add(self, choice: dict[str, Any]) -> None:
        if reason := choice.get("finish_reason"):
            self.finish_reason = reason
            self.usage, self.error = choice.get("usage"), choice.get("error")
        for name, given in mapping(choice.get("delta")).items():
            if name in self.thoughts:
                self.thoughts[name].append(text(given))
            elif name == "content":
                self.parts += items(given)
            elif name == "tool_calls":
                for position, call in enumerate(map(mapping, items(given))):
                    index = call.get("index")
                    self._add_call(index if isinstance(index, INDEX) else position, call)
            elif name == "function_call" and (function := mapping(given)):
                self.function = self.function or {}
                _gather(self.function, function, _FUNCTION)

    def _add_call(self, index: float, call: dict[str, Any]) -> None:
        calls = self.calls.get(index)
        if calls is None:
            calls = self.calls[index] = [{}]
        pieces, given, function = calls[-1], call.get("id"), call.get("function")
        fields = mapping(function or call.get("custom"))
        if pieces and fields.get("name") and _is_another(pieces, given, fields):
            pieces = {}
            calls.append(pieces)
        if given and not any(pieces.get("id", ())):
            _gather(pieces, call, ("id",))
        _gather(pieces, fields, _FUNCTION if function else _CUSTOM)

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {name: "".join(pieces) for name, pieces in self.thoughts.items()}
        message["content"] = self.parts
        message["tool_calls"] = [self._call(call) for index in sorted(self.calls) for call in self.calls[index]]
        if self.function is not None:
            message["function_call"] = _joined(self.function) | self._mark()
        return {"message": message, "finish_reason": self.finish_reason, "error": self.error}

    def _call(self, pieces: dict[str, list[str]]) -> dict[str, Any]:
        fields = _joined(pieces)
        kind = "custom" if "input" in fields else "function"
        return {"id": fields.get("id", ""), kind: fields} | self._mark()

    def _mark(self) -> dict[str, Any]:
        return {} if self.finish_reason else {"incomplete": True}


def _is_another(pieces: dict[str, list[str]], given: Any, fields: dict[str, Any]) -> bool:
    """Whether a call begins though its index is that of the last one: Gemini's and older Ollamas' are 0, or missing.

    The call has a name. given: its id; one that changes without a name is none: so wrote older vLLMs with every piece.
    Without ids, a name may come in pieces until arguments do, and the same one again with each of these.
    """
    known = pieces.get("id")
    if given:
        return bool(known) and known != [given]
    before = pieces.get("arguments") or pieces.get("input")
    if known or before is None or "name" not in pieces:
        return False
    # nowhere in JSON does an object follow upon another's end
    follows = before[-1].rstrip().endswith("}") and _begin(fields).startswith("{")
    return follows or "".join(pieces["name"]) != fields["name"]


def _begin(fields: dict[str, Any]) -> str:
    return written(fields.get("arguments") or fields.get("input")).lstrip()


def _gather(pieces: dict[str, list[str]], fields: dict[str, Any], names: Container[str]) -> None:
    for name, piece in fields.items():
        if name in names and piece is not None:
            if not isinstance(piece, str):
                piece = written(piece)  # arguments are an object where some providers write them
            if name not in pieces:
                pieces[name] = [piece]
            elif name != "name" or pieces[name] != [piece]:  # which some repeat with every piece
                pieces[name].append(piece)


def _joined(pieces: dict[str, list[str]]) -> dict[str, Any]:
    return {name: "".join(some) for name, some in pieces.items()}
