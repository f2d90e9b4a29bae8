"""What its user typed while Claude Code was working: it stands in no message of its own.

Newer ones put it behind the tools' results, in a system message; older ones in a `<system-reminder>`, which is a
block of its own or the end of the last result.
"""

from collections.abc import Sequence
from typing import Any

from coderai.formats.loose import items, mapping, text, texts_in, value
from coderai.formats.prompt import REMINDER_BEGIN, REMINDER_END
from coderai.records import Prompt

_HEADINGS = ("The user sent a new message while you were working:\n", "The user sent the following message:\n")
_TRAILERS = ("\n\nIMPORTANT: After completing your current task", "\n\nPlease address this message")


def queued(messages: Sequence[dict[str, Any]]) -> Prompt | None:
    """All of it in these messages, which follow upon an answer."""
    ends = (words for message in messages for words in _ends(message))
    typed = [found for words in ends if (found := _typed(words))]
    return Prompt("\n".join(typed), {"source": "queued"}) if typed else None


def _ends(message: dict[str, Any]) -> list[str]:
    """Its texts; of a tool's result, what may be a reminder behind it."""
    content = value(message.get("content"))
    if isinstance(content, str):
        return [content] if message.get("role") == "system" else []
    ends = []
    for part in map(mapping, items(content)):
        if part.get("type") == "text":
            ends.append(text(part.get("text")))
        elif part.get("type") == "tool_result":
            results = (words.rstrip() for words in texts_in(part.get("content")))
            reminded = (words for words in results if REMINDER_BEGIN in words and words.endswith(REMINDER_END))
            ends += [words[words.rindex(REMINDER_BEGIN) :] for words in reminded]
    return ends


def _typed(words: str) -> str:
    """What stands between heading and trailer; "" if that is not all there is."""
    words = words.strip().removeprefix(REMINDER_BEGIN).removesuffix(REMINDER_END).strip()
    heading = next((heading for heading in _HEADINGS if words.startswith(heading)), None)
    if heading is None or REMINDER_END in words:
        return ""
    end = max(words.rfind(trailer) for trailer in _TRAILERS)
    return words[len(heading) : end if end >= 0 else None].strip()
