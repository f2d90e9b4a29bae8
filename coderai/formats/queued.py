"""What its user typed while Claude Code was working: it stands in no message of its own.

For newer models it puts it behind the tools' results, in a system message; for older ones in a `<system-reminder>`,
which is a block of its own or the end of the last result. Several messages stand in one, or in one reminder each, and
other reminders with them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from coderai.formats.loose import items, mapping, text, texts_in, value
from coderai.formats.prompt import REMINDER_BEGIN, REMINDER_END, is_prompt
from coderai.records import Prompt

_BEGIN = "The user sent "
_ANY_HEADING = f"{_BEGIN}(?:a new message while you were working|the following message):\n"
_HEADING = re.compile(rf"(?:\A|\n\n)(?:{REMINDER_BEGIN}\n?)?{_ANY_HEADING}")
# Where the first of the reminders begins: at a line's beginning, which is looked up behind the literal, for speed.
_REMINDED = re.compile(rf"{REMINDER_BEGIN}(?<![^\n]{REMINDER_BEGIN})\n?{_ANY_HEADING}")
_TRAILERS = ("\n\nIMPORTANT: After completing your current task", "\n\nPlease address this message")


def queued(messages: Sequence[dict[str, Any]]) -> Prompt | None:
    """All of it in these messages, which follow upon an answer."""
    ends = (words for message in messages for words in _ends(message))
    typed = [found for words in ends for found in _typed(words) if found]
    return Prompt("\n".join(typed), {"source": "queued"}) if typed else None


def _ends(message: dict[str, Any]) -> list[str]:
    """Its texts, if it is the system's; else its reminders, and what may be some behind a tool's result."""
    content = value(message.get("content"))
    if message.get("role") == "system":
        return texts_in(content)
    ends = []
    for part in map(mapping, items(content)):
        if part.get("type") == "text":
            words = text(part.get("text"))
            if not is_prompt(words):  # but a reminder
                ends.append(words)
        elif part.get("type") == "tool_result":
            results = (words.rstrip() for words in texts_in(part.get("content")))
            ends += [_reminders(words) for words in results if words.endswith(REMINDER_END)]
    return ends


def _reminders(result: str) -> str:
    """All from the first that is one of these, else the last one."""
    begin = _REMINDED.search(result)
    return result[begin.start() if begin else max(0, result.rfind(REMINDER_BEGIN)) :]


def _typed(words: str) -> Iterator[str]:
    """What stands between each heading and its trailer; the latter may be missing where nothing stands before.

    A heading amid a message is its user's, as are a reminder's tags.
    """
    if _BEGIN not in words:  # nearly always, and there may be whole documents in it
        return
    words = words.strip().removeprefix(REMINDER_BEGIN).removesuffix(REMINDER_END).strip()
    begins = [*_HEADING.finditer(words)]
    ends = [begin.start() for begin in begins[1:]] + [len(words)]
    first = None
    for begin, end in zip(begins, ends, strict=False):  # an end too many where nothing begins
        first = first or begin
        # a trailer's first LF may be the heading's last
        trailer = max(words.rfind(trailer, begin.end() - 1, end) for trailer in _TRAILERS)
        if trailer >= 0:
            yield words[first.end() : trailer].strip()
            first = None
    if first and first.start() == 0:
        yield words[first.end() :].strip()
