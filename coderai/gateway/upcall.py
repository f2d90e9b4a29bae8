"""The request as it goes to the provider: the client's own, but for the credential and what is one hop's."""

from math import ceil

from coderai.gateway.refusal import RETRY_AFTER_S, Refusal
from coderai.keys import FAILOVER, Key
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

    def __init__(self, status: int, error_type: str, message: str, retry_after: int = RETRY_AFTER_S) -> None:
        super().__init__(status, message, retry=True, retry_after=retry_after)
        self.error_type = error_type


class Call:
    """One request on its way upstream, with one key after another where the provider refuses them."""

    def __init__(
        self, upstreams: Upstreams, request: Request, route: Route, body: bytes, *, plain: bool = False
    ) -> None:
        """plain: ask for an answer without content coding."""
        self._upstreams = upstreams
        self._route = route
        self._body = body
        self._headers = end_to_end(request.headers, _REMOVED_PLAIN if plain else _REMOVED)
        if plain:
            self._headers.append((b"Accept-Encoding", b"identity"))
        if body or request.method == "POST":
            self._headers.append((b"Content-Length", b"%d" % len(body)))
        query = request.target.partition(b"?")[2]
        provider = route.provider
        target = provider.target(route.path, query)
        self._line = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (request.method.encode(), target, provider.authority)

    async def answer(self) -> Answer:
        """The provider's answer once its head is there; raises Failed."""
        keys = self._route.provider.keys
        for key in keys.usable():
            answer = await self._send(key)
            if keys.alone or answer.status not in FAILOVER:
                return answer
            key.cool_down(answer.status, answer.fields)
            answer.abandon()
        seconds = keys.next_usable_s()
        if seconds is None:
            raise Failed(502, "keys_refused", "the provider refuses all keys that coderai has for it")
        message = "all keys that coderai has for the provider are rate-limited"
        raise Failed(429, "rate_limit_error", message, retry_after=ceil(seconds))

    async def _send(self, key: Key) -> Answer:
        head = b"%b%b\r\n" % (self._line, block([*self._headers, key.header]))
        try:
            return await self._upstreams.send(self._route.provider.origin, head, self._body)
        except Unreachable as error:
            raise Failed(502, "upstream_unreachable", str(error)) from None
        except TimedOut as error:
            raise Failed(504, "upstream_timeout", str(error)) from None
