"""How Go writes values as text, where the log layouts agree with it to the byte.

Contract: nothing that these functions return can end a line, move a cursor or reorder what is shown. Sources:
strconv.Quote and unicode.IsPrint (https://pkg.go.dev/strconv#Quote), the verb %g and time.Duration.String.
"""

import datetime
import decimal
import functools
import math
import re

NANOSECONDS = 1_000_000_000
EPOCH = datetime.datetime(1970, 1, 1)  # naive: every time here is UTC

SHORT_ESCAPES = {
    "\\": r"\\",  # first, as `quote` goes through them: the others bring backslashes
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
}
# In a string that `str.isprintable` refuses: everything but letters, marks, numbers, punctuation, symbols and
# the space, which is Go's IsPrint too (control, format with the bidi overrides, separators, unassigned).
# From what is beyond ASCII on, runs: most of them print, and a call for each character of a Russian prompt takes its
# time. Short ones, as one that does not print is looked at character by character. A tab stays, as in Go's layout.
NOT_PLAIN_IN_MESSAGE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\x7f][^\x00-\x1f\x7f]{0,15}")


def _escape(match: re.Match[str]) -> str:
    text = match[0]
    short = SHORT_ESCAPES.get(text)
    if short is not None:
        return short
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _by_number(ord(char)) for char in text])


def _by_number(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str) -> str:
    """strconv.Quote: in double quotes, with everything escaped that does not print.

    A call for each quote and line end of a megabyte of code would hold up all streams for a tenth of a second.
    """
    for char, escape in SHORT_ESCAPES.items():
        text = text.replace(char, escape)
    return f'"{one_line(text)}"'


def quote_where_needed(text: str) -> str:
    """The text as it is where quoting would change nothing and it holds no white space, else quoted."""
    if text and " " not in text and '"' not in text and "\\" not in text and text.isprintable():
        return text
    return quote(text)


def one_line(text: str) -> str:
    """The text without quotes, what does not print escaped."""
    return text if text.isprintable() else NOT_PLAIN_IN_MESSAGE.sub(_escape, text)


def number(value: float) -> str:
    """%g with the fewest digits that give the same number: an exponent from 1e+06 on, and below 1e-04."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    minus, text = "-" * sign, "".join(map(str, digits))
    point = len(digits) + exponent  # where the decimal point stands, counted from the first digit
    if value == 0:
        return f"{minus}0"
    if not -4 <= point - 1 < 6:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{fraction}e{point - 1:+03d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    return minus + text.ljust(point, "0")[:point] + (f".{text[point:]}" if len(text) > point else "")


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def duration(value: datetime.timedelta) -> str:
    """time.Duration.String: 1h0m0s, 1.5s, 250ms, 0s."""
    micros = round(value / datetime.timedelta(microseconds=1))
    minus, micros = "-" * (micros < 0), abs(micros)
    if micros < 1_000:
        return f"{minus}{micros}µs" if micros else "0s"
    if micros < 1_000_000:
        return f"{minus}{_decimal(micros / 1_000)}ms"
    minutes, micros = divmod(micros, 60_000_000)
    seconds = f"{_decimal(micros / 1_000_000)}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{minus}{hours}h{minutes}m{seconds}"
    return f"{minus}{minutes}m{seconds}" if minutes else minus + seconds


@functools.lru_cache(maxsize=256)  # lines come in bursts of the same second
def _second(seconds: int) -> str:
    return (EPOCH + datetime.timedelta(seconds=seconds)).isoformat()


@functools.lru_cache(maxsize=256)  # the records of a batch share their times
def rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC, the fraction without trailing zeros (Go's RFC3339Nano)."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    if not fraction:
        return _second(seconds) + "Z"
    return f"{_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


def human_time(nanoseconds: int) -> str:
    """2000-02-05 04:04:04.000, milliseconds cut, not rounded."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    return f"{_second(seconds).replace('T', ' ')}.{fraction // 1_000_000:03d}"
