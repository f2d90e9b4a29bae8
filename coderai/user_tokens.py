"""A coderai token as text: where a request shows it, how it is made, and how it is masked.

It is a public id of 10 characters, `-`, and a secret, of which only the SHA-256 is kept. What it opens is auth.py's.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Callable
from typing import NamedTuple

from coderai.wire.head import Head

ID_CHARACTERS = 10
SECRET_CHARACTERS = 32  # of 62 kinds: 190 bits
ALPHABET = string.ascii_letters + string.digits
TOKEN_ID = re.compile(r"[A-Za-z0-9]{10}", re.ASCII)
# The secret's upper limit is only there to hash nothing huge.
TOKEN = re.compile(r"([A-Za-z0-9]{10})-([A-Za-z0-9]{22,128})", re.ASCII)

GOVERNANCE = "x-coder-ai-governance-token"  # beside which the user brings an own key
_OURS = (GOVERNANCE, "coder-session-token")
_PROVIDERS_TOO = ("authorization", "x-api-key")
# Where a request may show its token; none of these fields is to be forwarded or shown.
TOKEN_HEADERS = frozenset(name.encode() for name in (*_OURS, *_PROVIDERS_TOO))

MISSING = "a coderai token is missing: send it as Authorization: Bearer, X-Api-Key or Coder-Session-Token"


class Unauthenticated(Exception):
    """401: no token or none that is good; the message says why, in words for the client."""


class Presented(NamedTuple):
    """A token as it was shown: its id, and what is kept of its secret."""

    id: str
    digest: str

    @property
    def mark(self) -> bytes:
        """What is in every text that the token is in."""
        return f"{self.id}-".encode()


def token_of(get: Callable[[str], str | None]) -> str | None:
    """The caller's token, by a function that gives a (lower-case) header's value: the first of these that is there."""
    for name in _OURS:
        if token := (get(name) or "").strip():
            return token
    bearer, key = _PROVIDERS_TOO
    fields = (get(bearer) or "").split()
    if len(fields) == 2 and fields[0].lower() == "bearer":
        return fields[1]
    return (get(key) or "").strip() or None


def without_token(text: str, token_id: str) -> str:
    """The text with this token masked."""
    return re.sub(rf"{token_id}-[A-Za-z0-9]+", "***", text) if token_id in text else text


def without_tokens(text: str) -> str:
    """The text with whatever looks like a token masked, anybody's."""
    return TOKEN.sub("***", text)


def new_token() -> tuple[str, str, str]:
    """A new token, its id, and what is kept of its secret."""
    token_id = "".join(secrets.choice(ALPHABET) for _ in range(ID_CHARACTERS))
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))
    return f"{token_id}-{secret}", token_id, digest(secret)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def presented_in(head: Head) -> Presented | None:
    """None where there is no token. Raises Unauthenticated for what is none."""
    token = token_of(head.header)
    return None if token is None else presented(token)


def presented(token: str | None) -> Presented:
    """Raises Unauthenticated for what is no token at all."""
    if not token:
        raise Unauthenticated(MISSING)
    found = TOKEN.fullmatch(token)
    if found is None:
        raise Unauthenticated("this is no coderai token; ask your administrator for one (coderai tokens create)")
    return Presented(found[1], digest(found[2]))
