"""Which of a stream's whole events are kept: the first that tells anything, the wanted ones and the last. Pure."""

import re
from typing import NamedTuple

from coderai import sse
from coderai.formats.failure import error_of
from coderai.formats.format import Format
from coderai.formats.loose import value

BLANK = b"\n\n"
# An event of which more bytes than this have come before its end does is searched at its beginning and its end only: it
# would be searched in one go, which for some texts takes 0.05 s a megabyte, while every other stream waits. Providers
# tell what event it is in its first words, or in some words of its data's last.
LARGE = 128 * 1024
EDGE = LARGE // 2
# Of the hints that an event is terminal, the one that is no name.
_ERROR = b"error"
# Bytes from a hint that an event is terminal to where that can be told.
LONGEST_MARK = 64
# Bytes before the word `error` in which an error's mark begins. Searched from its beginning with each piece that holds
# the word, an event of a megabyte would take seconds.
ERROR_MARK = 8 * 1024
# The first line that is neither blank nor a comment.
_LINE = re.compile(rb"^[^:\n]", re.MULTILINE)
Found = re.Match[bytes] | None


class Picked(NamedTuple):
    kept: list[bytes]  # one or several events each
    terminal_at: int | None  # where the terminal one begins; what comes behind it is none of the answer's


def pick(format: Format, events: bytes, wanted: Found, *, first: bool) -> Picked:
    """wanted: the mark of the first wanted one. first: the stream begins with these."""
    if b"\r" not in events and (picked := _at_once(format, events, wanted, first=first)) is not None:
        return picked
    return _one_by_one(format, events, first=first)


def pick_large(format: Format, events: bytes, large: int, *, first: bool) -> Picked:
    """The first of these is so large."""
    event, behind = events[:large], events[large:]
    if is_terminal(format, event):
        return Picked([event], 0)
    begin, end = event[:EDGE], event[-EDGE:]
    tells = format.wanted.search(begin) or format.wanted.search(end) or (first and sse.tells(begin))
    kept = [event] if tells else []
    picked = pick(format, behind, format.wanted.search(behind), first=first and not kept)
    at = picked.terminal_at
    return Picked([*kept, *picked.kept], None if at is None else large + at)


def is_terminal(format: Format, event: bytes) -> bool:
    """Of one event, which may be without its end."""
    match = _terminal(format, event if len(event) <= LARGE else event[:EDGE])
    return match is not None and _ends(match, event)


class Beginning:
    """The first bytes of an event that comes in pieces: whether it may be the terminal one, and has to wait."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._pieces: list[bytes] | None = None
        self._known = 0  # of the pieces
        self._data = bytearray()
        self._may_be = False

    def may_be_terminal(self, pieces: list[bytes]) -> bool:
        """`pieces`: the same list for as long as the event lasts. What was looked at is not looked at again."""
        if pieces is not self._pieces:
            self._pieces, self._known, self._data, self._may_be = pieces, 0, bytearray(), False
        if self._may_be or len(self._data) >= LARGE:
            return self._may_be
        looked = max(0, len(self._data) - LONGEST_MARK)
        for piece in pieces[self._known :]:
            self._data += piece[:LARGE]
        self._known = len(pieces)
        found = [hint for hint in self._format.terminal_hints if self._data.find(hint, looked) >= 0]
        # a name is the end for whoever looks for no more than that; the word `error` is in many texts
        self._may_be = bool(found) and (found != [_ERROR] or self._is_error(looked))
        return self._may_be

    def _is_error(self, looked: int) -> bool:
        return self._format.terminal.search(self._data, max(0, looked - ERROR_MARK)) is not None

    def forget(self) -> None:
        """The event has ended, or is not read any further."""
        if self._pieces is not None:
            self._pieces, self._data = None, bytearray()


def shown(format: Format, events: bytes) -> bytes:
    """What of these events the client is to see that did not ask for its usage."""
    end = events.find(BLANK) + 2
    first = events[:end] if end > LARGE else b""  # which the usage is not; split like others it takes 5 ms a megabyte
    whole, rest = sse.split(events[len(first) :])
    return b"".join((first, *(event for event in whole if not format.withheld(event)), rest))


def _one_by_one(format: Format, events: bytes, *, first: bool) -> Picked:
    kept: list[bytes] = []
    at = 0
    for event in sse.split(events)[0]:
        if (match := _terminal(format, event)) is not None and _ends(match, event):
            return Picked([*kept, event], at)
        if format.wanted.search(event) or (first and sse.tells(event)):
            kept.append(event)
            first = False
        at += len(event)
    return Picked(kept, None)


def _at_once(format: Format, events: bytes, wanted: Found, *, first: bool) -> Picked | None:
    """Of events that end in one blank line, from one match to the next instead of event by event.

    None where the first one tells nothing, or the terminal one is not what it seemed to be.
    """
    limit = len(events)
    if (match := _terminal(format, events)) is not None:
        before = events.rfind(BLANK, 0, match.start())
        limit = before + 2 if before >= 0 else 0
        last = events[limit : events.index(BLANK, limit) + 2]
        if (match := format.terminal.search(last)) is None or not _ends(match, last):
            return None
    kept: list[bytes] = []
    at = 0  # where the first event begins that is not decided yet
    if first and (begin := _silent(events, limit)) < limit:
        at = events.index(BLANK, begin) + 2
        if not sse.tells(events[begin:at]):
            return None
        kept.append(events[begin:at])
    while wanted is not None and wanted.end() <= limit:
        if wanted.start() >= at:
            begin = events.rfind(BLANK, at, wanted.start())
            begin = at if begin < 0 else begin + 2
            at = _run(format, events, events.index(BLANK, wanted.end()) + 2, limit)
            kept.append(events[begin:at])
        wanted = format.wanted.search(events, at, limit)
    return Picked(kept, None) if limit == len(events) else Picked([*kept, last], limit)


def _terminal(format: Format, events: bytes) -> Found:
    """The terminal event's mark, where it is among these."""
    found = [at for hint in format.terminal_hints if (at := events.find(hint)) >= 0]
    if not found:
        return None
    # it cannot begin before the event that the first hint is in
    return format.terminal.search(events, max(0, events.rfind(BLANK, 0, min(found))))


def _ends(match: re.Match[bytes], event: bytes) -> bool:
    """Whether it is the end that it seems to be: in an error's place, some tell with every event that there is none."""
    if match[0].find(b'"error"') < 0:
        return True
    told = value(sse.payload(event))
    return not isinstance(told, dict) or error_of(told)[0] is not None


def _silent(events: bytes, limit: int) -> int:
    """Where the comments and blank lines end that these begin with: some providers keep alive with many."""
    found = _LINE.search(events, 0, limit)
    return found.start() if found else limit


def _run(format: Format, events: bytes, end: int, limit: int) -> int:
    """Where the wanted events that follow one upon the other from `end` on stop: often many do."""
    while end < limit:
        following = events.find(BLANK, end) + 2
        # where a third LF is all that is left, the next end is the terminal event's, or none: then nothing is searched
        if following > limit or format.wanted.search(events, end, following) is None:
            break
        end = following
    return end
