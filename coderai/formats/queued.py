"""What its user typed while Claude Code was working: it stands in no message of its own.

Newer ones put it behind the tools' results, in a system message; older ones in a `<system-reminder>`, which is a
block of its own or the end of the last result. Several messages stand in one, and other reminders with them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from coderai.formats.loose import items, mapping, text, texts_in, value
from coderai.formats.prompt import REMINDER_BEGIN, REMINDER_END
from coderai.records import Prompt

_HEADINGS = ("The user sent a new message while you were working:\n", "The user sent the following message:\n")
_HEADING = re.compile(rf"(?:\A|\n\n)(?:{'|'.join(map(re.escape, _HEADINGS))})")
_TRAILERS = ("\n\nIMPORTANT: After completing your current task", "\n\nPlease address this message")


def queued(messages: Sequence[dict[str, Any]]) -> Prompt | None:
    """All of it in these messages, which follow upon an answer."""
    ends = (words for message in messages for words in _ends(message))
    typed = [found for words in ends for found in _typed(words) if found]
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


def _typed(words: str) -> Iterator[str]:
    """What stands between each heading and its trailer; the latter may be missing where nothing stands before.

    A heading amid a message is its user's.
    """
    words = words.strip().removeprefix(REMINDER_BEGIN).removesuffix(REMINDER_END).strip()
    if REMINDER_END in words or not any(heading in words for heading in _HEADINGS):
        return
    begins = [*_HEADING.finditer(words)]
    ends = [begin.start() for begin in begins[1:]] + [len(words)]
    first = None
    for begin, end in zip(begins, ends, strict=False):  # an end too many where nothing begins
        first = first or begin
        trailer = max(words.rfind(trailer, begin.end(), end) for trailer in _TRAILERS)
        if trailer >= 0:
            yield words[first.end() : trailer].strip()
            first = None
    if first and first.start() == 0:
        yield words[first.end() :].strip()
