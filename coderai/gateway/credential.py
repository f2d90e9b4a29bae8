"""Whose credential a request goes upstream with: the organisation's, or the user's own (BYOK).

A coderai token in X-Coder-AI-Governance-Token leaves Authorization and X-Api-Key to the user's own key or
subscription token, which is forwarded as it came. With both, X-Api-Key wins where the provider reads it (Anthropic);
elsewhere Authorization does, and a key that came in X-Api-Key alone goes on as a bearer token. Where users bring their
own only (Copilot, ChatGPT) it is in Authorization.
"""

import re

from coderai.gateway.refusal import Refusal
from coderai.keys import Keys
from coderai.providers import Provider
from coderai.user_tokens import GOVERNANCE, TOKEN, presented_in
from coderai.wire.head import Head
from coderai.wire.request import Request

_GOVERNANCE = GOVERNANCE.encode()
_BETWEEN_WORDS = re.compile(r"[\s,;:='\"]+")


class Credentials:
    """`allow_byok` may be changed at any time."""

    def __init__(self) -> None:
        self.allow_byok = True

    def of(self, request: Request, provider: Provider) -> Keys:
        """Raises Refusal where there is none."""
        bringing = bool(request.head.fields.get(_GOVERNANCE, b"").strip())
        if not self.allow_byok and (bringing or provider.byok_only):
            raise Refusal(403, "users' own keys are not allowed here: an administrator can set --aibridge-allow-byok")
        if bringing and provider.bedrock is None and (own := _brought(request.head, provider)) is not None:
            return own
        if provider.byok_only:
            raise Refusal(
                401,
                f"{provider.name} takes your own credential only: send it in Authorization, and your coderai token "
                "in X-Coder-AI-Governance-Token",
            )
        if not provider.keys:
            raise Refusal(503, f"coderai has no key for {provider.name}: set {provider.key_option}")
        return provider.keys


def _brought(head: Head, provider: Provider) -> Keys | None:
    shown = head.once(presented_in)
    scheme = provider.kind.key_scheme
    names = (b"authorization", b"x-api-key") if scheme else (b"x-api-key", b"authorization")
    for name in names[: 1 if provider.byok_only else 2]:
        value = head.fields.get(name)
        if not value or value.strip().lower() == b"bearer":  # of a variable that is empty
            continue
        # a client may send its coderai token everywhere, or another of its user's
        if shown is not None and shown.mark not in value and not _coderais(value):
            if name == b"x-api-key" and scheme:
                return Keys.brought(provider.kind.key_header, scheme + value.strip())
            written = next(field for field, _ in head.headers if field.lower() == name)
            return Keys.brought(written, value)
    return None


def _coderais(value: bytes) -> bool:
    return any(TOKEN.fullmatch(word) for word in _BETWEEN_WORDS.split(value.decode("latin-1")))
