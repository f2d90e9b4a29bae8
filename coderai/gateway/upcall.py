"""The request as it goes to the provider: the client's own, but for the credential and what is one hop's."""

from coderai.gateway.refusal import Refusal
from coderai.providers import Route
from coderai.wire.exchange import Answer
from coderai.wire.headers import HOP_BY_HOP, block, end_to_end
from coderai.wire.request import Request
from coderai.wire.upstream import TimedOut, Unreachable, Upstreams

# Of this connection, this user, or this gateway: never a provider's to see.
_REMOVED = HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"expect",
    b"authorization",
    b"x-api-key",
    b"coder-session-token",
    b"x-coder-ai-governance-token",
    b"x-coder-ai-governance-request-id",
    b"x-ai-bridge-actor-id",
    b"x-ai-bridge-actor-metadata-username",
}
_REMOVED_PLAIN = _REMOVED | {b"accept-encoding"}


class Failed(Refusal):
    """No answer came from the provider; `error_type` is what the trail says of it."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(status, message, retry=True)
        self.error_type = error_type


def head(request: Request, route: Route, length: int, *, plain: bool = False) -> bytes:
    """The request's head, up to the blank line. plain: ask for an answer without content coding."""
    provider = route.provider
    query = request.target.partition(b"?")[2]
    headers = end_to_end(request.headers, _REMOVED_PLAIN if plain else _REMOVED)
    headers += provider.credential
    if plain:
        headers.append((b"Accept-Encoding", b"identity"))
    if length or request.method == "POST":
        headers.append((b"Content-Length", b"%d" % length))
    line = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (
        request.method.encode(),
        provider.target(route.path, query),
        provider.authority,
    )
    return b"%b%b\r\n" % (line, block(headers))


async def call(upstreams: Upstreams, route: Route, head: bytes, body: bytes) -> Answer:
    """The provider's answer once its head is there; raises Failed."""
    try:
        return await upstreams.send(route.provider.origin, head, body)
    except Unreachable as error:
        raise Failed(502, "upstream_unreachable", str(error)) from None
    except TimedOut as error:
        raise Failed(504, "upstream_timeout", str(error)) from None
