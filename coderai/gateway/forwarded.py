"""Which of a request's fields go to the provider: the client's own, but for its credentials and what is one hop's."""

import re
from typing import NamedTuple

from coderai.user_tokens import TOKEN_HEADERS, presented_in
from coderai.wire.head import Head
from coderai.wire.headers import HOP_BY_HOP, Headers, block, end_to_end

# Of this connection, this user, or this gateway: never a provider's to see.
_REMOVED = HOP_BY_HOP | TOKEN_HEADERS | {b"host", b"content-length", b"expect", b"x-coder-ai-governance-request-id"}
# What the gateway alone may say; many servers take an underscore for a hyphen.
_ACTOR = re.compile(rb"x[-_]ai[-_]bridge[-_]actor[-_]", re.IGNORECASE)


class Forwarded(NamedTuple):
    """What of a request's fields goes upstream, and the same as it goes over the wire."""

    headers: Headers
    block: bytes


def forwarded(head: Head, removed: frozenset[bytes] = _REMOVED, added: Headers | None = None) -> Forwarded:
    shown = head.once(presented_in)
    headers = [
        field
        for field in end_to_end(head.headers, removed)
        # wherever else the client has put its token, it goes no further
        if (shown is None or shown.mark not in field[1]) and _ACTOR.match(field[0]) is None
    ] + (added or [])
    return Forwarded(headers, block(headers))


def forwarded_plain(head: Head) -> Forwarded:
    """Asking for an answer without content coding."""
    return forwarded(head, _REMOVED | {b"accept-encoding"}, [(b"Accept-Encoding", b"identity")])
