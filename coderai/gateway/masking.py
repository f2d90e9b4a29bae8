"""What is secret in a request's head, and what the gateway says of the request without it.

A client may put its credentials anywhere: into its path, its session's id, the name of a model. Where the gateway
repeats any of that, in a log, an error, the trail or a file's name, they are left out.
"""

import re
from collections.abc import Iterable

from coderai.keys import SHORTEST_SECRET, secret_parts, spellings
from coderai.user_tokens import TOKEN_HEADERS, without_tokens
from coderai.wire.head import Head

# Shorter ones are placeholders that a tool asks for, and may be the name of a model's maker: `anthropic`.
SHORTEST_BROUGHT = 16
_SCHEME = re.compile(r"\A[A-Za-z]{1,15} +(?=[^ ])")  # Bearer, Basic


def shown(head: Head) -> tuple[str, ...]:
    """Every credential that it shows, and what is secret in it."""
    values = (value.decode("latin-1") for name, value in head.headers if name.lower() in TOKEN_HEADERS)
    parts = (part for value in values for part in secret_parts(_SCHEME.sub("", value)))
    return tuple(part for part in parts if len(part) >= SHORTEST_BROUGHT)


def brought(head: Head) -> tuple[str, ...]:
    """The same, as that may be written; for `head.once`."""
    return as_written(shown(head))


def as_written(secrets: Iterable[str]) -> tuple[str, ...]:
    """All their spellings; first those that hold others."""
    written = {text for secret in secrets if len(secret) >= SHORTEST_SECRET for text in spellings(secret)}
    return tuple(sorted(written, key=len, reverse=True))


def masked(text: str, written: Iterable[str]) -> str:
    for secret in written:
        text = text.replace(secret, "***")
    return text


def told(head: Head, text: str) -> str:
    """What says something of a request, without its credentials and anybody's token."""
    return without_tokens(masked(text, head.once(brought)))
