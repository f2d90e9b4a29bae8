"""The request as it goes to the provider: the client's own, but for the credential and what is one hop's."""

import asyncio
import random
import re
from collections.abc import Coroutine
from math import ceil
from typing import NamedTuple

from coderai.auth import User
from coderai.breaker import Breaker, Breakers, Open, State
from coderai.gateway.refusal import RETRY_AFTER_S, Refusal
from coderai.keys import FAILOVER, Key, Keys
from coderai.logs import Logger
from coderai.routes import Route
from coderai.user_tokens import presented_in
from coderai.wire.answer import Answer
from coderai.wire.head import Head
from coderai.wire.headers import HOP_BY_HOP, Headers, block, end_to_end
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
}
# What the gateway alone may say; many servers take an underscore for a hyphen.
_ACTOR = re.compile(rb"x[-_]ai[-_]bridge[-_]actor[-_]", re.IGNORECASE)


class Forwarded(NamedTuple):
    """What of a request's fields goes upstream, and the same as it goes over the wire."""

    headers: Headers
    block: bytes


def _forwarded(head: Head, removed: frozenset[bytes] = _REMOVED, added: Headers | None = None) -> Forwarded:
    shown = head.once(presented_in)
    headers = [
        field
        for field in end_to_end(head.headers, removed)
        # wherever else the client has put its token, it goes no further
        if (shown is None or shown.mark not in field[1]) and _ACTOR.match(field[0]) is None
    ] + (added or [])
    return Forwarded(headers, block(headers))


def _forwarded_plain(head: Head) -> Forwarded:
    """Asking for an answer without content coding."""
    return _forwarded(head, _REMOVED | {b"accept-encoding"}, [(b"Accept-Encoding", b"identity")])


# Answers that another try may mend, where --aibridge-max-retries allows one.
_RETRIED = frozenset((502, 503, 504))
# Between two tries: half of it to all of it, at random, and twice as long each time.
_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 8.0


def _says_when(answer: Answer) -> bool:
    """Whether the provider tells when to come again, or not to: that is the client's to heed."""
    fields = answer.fields
    return fields.get(b"retry-after", b"0") != b"0" or fields.get(b"x-should-retry", b"").lower() == b"false"


class Failed(Refusal):
    """No answer came from the provider; `error_type` is what the trail says of it."""

    def __init__(self, status: int, error_type: str, message: str, retry_after: int = RETRY_AFTER_S) -> None:
        super().__init__(status, message, retry=True, retry_after=retry_after)
        self.error_type = error_type


class Calls:
    """Makes the calls of all requests. `actor_headers` and `max_retries` may be changed at any time."""

    def __init__(self, upstreams: Upstreams, log: Logger) -> None:
        self.upstreams = upstreams
        self.log = log
        self.breakers = Breakers(self._breaker_changed)
        self.actor_headers = False
        self.max_retries = 0

    def call(
        self,
        request: Request,
        route: Route,
        keys: Keys,
        body: bytes,
        user: User,
        *,
        told: bool = False,
        plain: bool = False,
    ) -> "Call":
        """told: the provider may hear who asks. plain: ask for an answer without content coding."""
        head = request.head
        forwarded = head.once(_forwarded_plain if plain else _forwarded)
        own = self.actor(user) if told else []
        if body or head.method == "POST":
            own.append((b"Content-Length", b"%d" % len(body)))
        provider = route.provider
        line = b"%b %b HTTP/1.1" % (head.method.encode(), provider.target(route.path, head.query))
        host = (b"Host", provider.authority)
        raw = b"%b\r\nHost: %b\r\n%b%b" % (line, provider.authority, forwarded.block, block(own))
        return Call(self, route, keys, line, [host, *forwarded.headers, *own], body, raw)

    def actor(self, user: User) -> Headers:
        """Who asks, where the provider may hear it."""
        if not self.actor_headers:
            return []
        return [
            (b"X-AI-Bridge-Actor-ID", user.id.encode()),
            (b"X-AI-Bridge-Actor-Metadata-Username", user.name.encode()),
        ]

    def passage(self, route: Route, model: str) -> "Passage | None":
        """Through the circuit breaker, if there is one. Raises Refusal where it is open."""
        breaker = self.breakers.of(route.provider.name, route.path.decode("latin-1"), model)
        if breaker is None:
            return None
        try:
            return Passage(breaker, breaker.enter(), route.provider.kind.failures)
        except Open as open:
            raise Refusal(503, str(open), retry=True, retry_after=ceil(open.seconds)) from None

    def _breaker_changed(self, provider: str, endpoint: str, model: str, before: State, after: State) -> None:
        fields = {"provider": provider, "endpoint": endpoint, "model": model}
        self.log.info("circuit breaker state change", **fields, **{"from": before.value, "to": after.value})


class Passage(NamedTuple):
    """A request that a circuit breaker has let through, and has to hear of."""

    breaker: Breaker
    era: int
    failures: frozenset[int]

    def tell(self, status: int | None) -> None:
        """None: there was no answer that tells anything."""
        self.breaker.leave(self.era, None if status is None else status not in self.failures)


class Call:
    """One request on its way upstream, with one key after another where the provider refuses them."""

    def __init__(
        self, calls: Calls, route: Route, keys: Keys, line: bytes, headers: Headers, body: bytes, head: bytes = b""
    ) -> None:
        """head: line and headers as they go over the wire, where that is known."""
        self.line = line
        self.headers = headers  # without the credential's
        self.body = body
        self._calls = calls
        self._route = route
        self._keys = keys
        self._head = head or b"%b\r\n%b" % (line, block(headers))
        self.key: Key | None = None  # the one that was tried last

    async def answer(self, passage: Passage | None = None) -> Answer:
        """The provider's answer once its head is there; raises Failed."""
        if passage is None:
            return await self._answer()
        status: int | None = None
        try:
            answer = await self._answer()
            status = answer.status
        except Failed as failed:  # a connection that broke tells of no success; keys that all rest, of nothing
            status = failed.status if self.key is not None and failed.status in passage.failures else None
            raise
        finally:
            passage.tell(status)
        return answer

    async def _answer(self) -> Answer:
        keys = self._keys
        for key in keys.usable():
            if not keys.alone and key.cooling:  # since then, by another request
                continue
            self.key = key
            answer = await self._send(key)
            if keys.alone or answer.status not in FAILOVER:
                return answer
            seconds = key.cool_down(answer.status, answer.fields)
            provider = self._route.provider.name
            fields = {"provider": provider, "key": key.hint, "status": answer.status, "seconds": round(seconds)}
            self._calls.log.warn("a key cools down", **fields)
            answer.abandon()
        seconds_left = keys.next_usable_s()
        if seconds_left is None:
            raise Failed(502, "keys_refused", "the provider refuses all keys that coderai has for it")
        message = "all keys that coderai has for the provider are rate-limited"
        raise Failed(429, "rate_limit_error", message, retry_after=max(1, ceil(seconds_left)))

    async def _send(self, key: Key) -> Answer:
        """Nothing has been relayed: it may be sent again where that is allowed."""
        for tried in range(self._calls.max_retries):
            try:
                answer = await self._once(key)
            except Unreachable as error:
                if error.connected:  # the provider may be at work on it
                    raise Failed(502, "upstream_unreachable", str(error)) from None
            else:
                if answer.status not in _RETRIED or _says_when(answer):
                    return answer
                answer.abandon()
            longest = min(_BACKOFF_S * 2**tried, _LONGEST_BACKOFF_S)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret
        try:
            return await self._once(key)
        except Unreachable as error:
            raise Failed(502, "upstream_unreachable", str(error)) from None

    def _once(self, key: Key) -> Coroutine[None, None, Answer]:
        return self._sent(b"%b%b: %b\r\n\r\n" % (self._head, *key.header))

    async def _sent(self, head: bytes) -> Answer:
        try:
            return await self._calls.upstreams.send(self._route.provider.origin, head, self.body)
        except TimedOut as error:
            raise Failed(504, "upstream_timeout", str(error)) from None
