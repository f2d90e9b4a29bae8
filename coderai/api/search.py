"""The `q` parameter: blank-separated `key:value`, quotes keep blanks and colons, a bare term is an initiator.

The grammar is Coder's, but for times, which need no quotes although they hold colons.
"""

import re
from datetime import UTC, datetime, timedelta

from coderai.api.answers import Validation

EQUAL = ("initiator", "provider", "provider_name", "model", "client", "session_id")
TIMES = ("started_after", "started_before")
KEYS = (*EQUAL, *TIMES)

_ELEMENT = re.compile(r'(?:"[^"]*"|[^"\s])+')
_QUOTED = re.compile(r'"[^"]*"')
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadSearch(Exception):
    def __init__(self, problems: list[Validation]) -> None:
        super().__init__(problems)
        self.problems = problems


def terms(query: str) -> dict[str, str]:
    """Each key with its value. Raises BadSearch with all that is wrong."""
    if query.count('"') % 2:
        raise BadSearch([Validation("q", "a double quote is opened and not closed")])
    if "\0" in query:  # which PostgreSQL takes in no text
        raise BadSearch([Validation("q", "holds a NUL character")])
    found: dict[str, str] = {}
    problems: list[Validation] = []
    for element in _ELEMENT.findall(query):
        parts = _parts(element)
        shown = element.replace("\\", "\\\\").replace('"', '\\"')
        if parts[0].lower() in TIMES:
            parts = [parts[0], ":".join(parts[1:])] if len(parts) > 2 else parts
        key, value = (parts[0].lower(), parts[-1]) if len(parts) > 1 else ("initiator", element)
        if not parts[0] or not parts[-1]:
            problems.append(Validation("q", f"Query element \"{shown}\" cannot start or end with ':'"))
        elif len(parts) > 2:
            # Coder's words, and what to do: all models of Bedrock have a colon.
            why = f"Query element \"{shown}\" can only contain 1 ':'; put a value that holds one in double quotes"
            problems.append(Validation("q", why))
        elif key not in KEYS:
            problems.append(Validation(key, f'"{key}" is not a valid query param; there are {", ".join(KEYS)}'))
        elif key in found:
            problems.append(Validation(key, f'Query param "{key}" is given more than once'))
        else:
            found[key] = value.replace('"', "")
    if problems:
        raise BadSearch(problems)
    return found


def _parts(element: str) -> list[str]:
    """What stands between the colons outside of quotes; those in quotes are NUL meanwhile, which no query holds."""
    hidden = _QUOTED.sub(lambda quoted: quoted[0].replace(":", "\0"), element)
    return [part.replace("\0", ":") for part in hidden.split(":")]


def started(found: dict[str, str]) -> dict[str, int]:
    """The times among the terms, in microseconds. Raises BadSearch."""
    limits: dict[str, int] = {}
    problems: list[Validation] = []
    for key in TIMES:
        if key in found:
            try:
                limits[key] = microseconds(found[key])
            except ValueError:
                problem = f'"{found[key]}" is no RFC 3339 time, e.g. 2026-01-31T18:00:00Z'
                problems.append(Validation(key, problem))
    if len(limits) == len(TIMES) and limits["started_before"] <= limits["started_after"]:
        problems.append(Validation("started_before", "must be later than started_after"))
    if problems:
        raise BadSearch(problems)
    return limits


def microseconds(text: str) -> int:
    """Raises ValueError. Digits beyond the sixth are cut off: no record has more."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    day, clock, fraction, zone = parts.groups()
    whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    try:
        whole = whole.astimezone(UTC)
    except OverflowError:  # within a day of the calendar's ends
        raise ValueError(text) from None
    micros = int((fraction or "").ljust(6, "0")[:6])
    return (whole - _EPOCH) // timedelta(microseconds=1) + micros
