"""What its user typed while refusing a tool's call: it stands in the result of that call, and nowhere else.

Claude Code and OpenCode ask for it, and go on with it as with a prompt.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from coderai.formats.loose import items, mapping, text, value
from coderai.records import Prompt

# How such results begin: Claude Code's, those of its sub-agents, and OpenCode's.
_BEFORE = re.compile(
    r"The user doesn't want to proceed with this tool use\. The tool use was rejected \([^)]*\)\."
    r" To tell you how to proceed, the user said:\n"
    r"|Permission for this tool use was denied\. The tool use was rejected \([^)]*\)\. The user said:\n"
    r"|The user rejected permission to use this specific tool call with the following feedback: "
)
# What Claude Code puts behind it.
_BEHIND = "\n\nNote: The user's next message may contain a correction or preference."


def feedback(messages: Sequence[dict[str, Any]]) -> Prompt | None:
    """All of it in these messages, or items, which follow upon an answer."""
    results = (text(value(result)) for message in messages for result in _results(message))
    typed = [words for result in results if (words := _typed(result))]
    return Prompt("\n".join(typed), {"source": "feedback"}) if typed else None


def _results(message: dict[str, Any]) -> Iterator[Any]:
    if message.get("role") == "tool":
        yield message.get("content")
    elif "role" not in message:
        yield message.get("output")
    else:
        parts = map(mapping, items(message.get("content")))
        yield from (part.get("content") for part in parts if part.get("type") == "tool_result")


def _typed(result: str) -> str:
    begin = _BEFORE.match(result)
    if begin is None:
        return ""
    end = result.rfind(_BEHIND, begin.end())  # an earlier one is the user's
    return result[begin.end() : end if end >= 0 else len(result)].strip()
