"""What its user replied to a tool's call: it stands in the result of that call, and nowhere else.

Claude Code and OpenCode ask what to do instead of a call that is refused, and give the model a tool that asks
questions. They go on with the reply as with a prompt.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from coderai.formats.loose import items, mapping, text, value
from coderai.records import Prompt

# How such results begin: Claude Code's, those of its sub-agents, and OpenCode's.
_REFUSED = re.compile(
    r"The user doesn't want to proceed with this tool use\. The tool use was rejected \([^)]*\)\."
    r" To tell you how to proceed, the user said:\n"
    r"|Permission for this tool use was denied\. The tool use was rejected \([^)]*\)\. The user said:\n"
    r"|The user rejected permission to use this specific tool call with the following feedback: "
)
# Claude Code's, where its user types instead of choosing.
_TYPED = re.compile(r"The user responded: ")
# Claude Code's and OpenCode's: each question with its answer.
_ANSWERED = re.compile(r"Your questions have been answered: |User has answered your questions: ")
# And how that begins which is put behind the user's words.
_KINDS = (
    ("feedback", _REFUSED, "\n\nNote: The user's next message may contain a correction or preference."),
    ("answer", _TYPED, ""),
    ("answer", _ANSWERED, ". You can now continue with "),
)


def reply(messages: Sequence[dict[str, Any]]) -> Prompt | None:
    """All of them in these messages, or items, which follow upon an answer. The first one's kind is the `source`."""
    results = [text(value(result)) for message in messages for result in _results(message)]
    found = [said for result in results if (said := _said(result)) is not None]
    return Prompt("\n".join(words for _, words in found), {"source": found[0][0]}) if found else None


def _results(message: dict[str, Any]) -> Iterator[Any]:
    if message.get("role") == "tool":
        yield message.get("content")
    elif "role" not in message:
        yield message.get("output")
    else:
        parts = map(mapping, items(message.get("content")))
        yield from (part.get("content") for part in parts if part.get("type") == "tool_result")


def _said(result: str) -> tuple[str, str] | None:
    """Its kind, and the user's words."""
    for source, before, behind in _KINDS:
        if begin := before.match(result):
            end = result.rfind(behind, begin.end())  # an earlier one is the user's
            words = result[begin.end() : end if end >= 0 else len(result)].strip()
            return (source, words) if words else None
    return None
