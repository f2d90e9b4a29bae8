"""The events at which a client hangs up, as a pattern that finds them at the top level only.

A `type` further in may be nested, in a tool's input say: taken for the end it would hold the stream back. So an
event counts by its `event:` line, or by a `type` behind nothing but plain members of its data (or an `error` that comes
first). The line breaks that the pattern asks for cannot stand in a JSON string. It begins with a literal, which `re`
finds ten times faster than a line's beginning; what has to stand before it is looked up behind it.
"""

import re

# OpenAI's last event, which is no JSON.
DONE = b"[DONE]"

# What stands between two tokens of JSON, which may go on in another line of data.
GAP = r"(?:\s*data:)?\s*"

# A member that is neither object nor list: behind it, a name still stands at the top level.
PLAIN = r'"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+)\s*,'

# How an event line may be written, before and after the event's name.
_SPACES = ("", " ")
_ENDS = (r"\n", r"\r\n", r"\r")


def terminal_event(*names: str) -> re.Pattern[bytes]:
    """Events of these types, and errors without one."""
    escaped = [re.escape(name) for name in names]
    lines = "|".join(f"(?<=event:{space}{name}{end}data:)" for name in escaped for space in _SPACES for end in _ENDS)
    # most events begin with their type: of these nothing more is looked at
    named = rf'(?:{GAP}(?!"type"){PLAIN}){{0,8}}{GAP}"type"\s*:\s*"(?:{"|".join(escaped)})"'
    first = rf'\s*\{{(?:{named}|{GAP}"error"\s*:\s*(?:\{{{GAP}"|"[^"]))'
    return re.compile(rf"data:(?:{lines}|(?<![^\r\n]data:){first})".encode())
