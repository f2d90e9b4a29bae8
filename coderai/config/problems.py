"""Mistakes in the settings, told all at once: each with where, what, what is expected and what was meant.

No message ever holds a secret.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LONGEST_QUOTE = 80  # characters of a bad value that are repeated; enough to find it by
LONGEST_SHOWN = 12  # of a value whose name tells nothing: longer ones may be secrets
SHOWN_OF_A_KEY = 4  # characters; as many as a credential's hint shows
URL_CREDENTIALS = re.compile(r"(?<=://).*@|(?<=:)(?!//)\S*@")  # also where `https://` was left out
URL_QUERY = re.compile(r"(://.*?\?).*")
PRIVATE_KEY = "PRIVATE KEY-----"  # in PEM
# What is written as keys are, in the place of something else (KEY and BASE_URL mixed up): paths begin with a slash or
# have a dot, URLs a colon. Keys begin as OpenAI's and Anthropic's, are hexadecimal, or have letters of both cases and
# digits.
KEY_LIKE = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9_+/=-]{19,}", re.ASCII)
KEYS_HAVE = re.compile(r"sk-|[0-9a-f]{32}|(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])")
WORDS = re.compile(r"[^\s,;'\"]+")
SECRET_WORDS = ("key", "secret", "token", "password", "credential")


class SettingsError(Exception):
    """Every problem that was found, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(map(one_line, problems))
        super().__init__("\n".join(self.problems))


@dataclass
class Report:
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    meaningless: list[str] = field(default_factory=list)  # settings of Coder that have no effect here

    def all_warnings(self) -> list[str]:
        names = ", ".join(self.meaningless)
        coders = [f"settings of Coder that have no effect here: {names}"] if names else []
        return [one_line(warning) for warning in (*self.warnings, *coders)]


def one_line(text: str) -> str:
    """What does not print, such as a line break in a key of YAML, is escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def quoted(text: str, *, secret: bool = False) -> str:
    """A value for a message: on one line, not too long, and never a secret."""
    if secret or PRIVATE_KEY in text:
        return "(hidden)" if text else '""'
    text = WORDS.sub(_unless_a_key, URL_QUERY.sub(r"\1***", URL_CREDENTIALS.sub("***@", text)))
    shown = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
    return f'"{one_line(shown)}"'


def _unless_a_key(word: re.Match[str]) -> str:
    text = word[0]
    return f"{text[:SHOWN_OF_A_KEY]}…" if KEY_LIKE.fullmatch(text) and KEYS_HAVE.match(text) else text


def begun(text: str) -> str:
    """A value that may be a secret, for a message: how it begins, unless it is too short for one."""
    return quoted(text if len(text) <= LONGEST_SHOWN else f"{text[:SHOWN_OF_A_KEY]}…")


def sounds_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A clause to append to a message, or nothing; `likeness` is difflib's ratio, of at most 1."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return f"; did you mean {nearest[0]}?" if nearest else ""
