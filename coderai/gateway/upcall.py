"""The call to a provider: the request as it goes upstream, with one key after another, sent again where it may be."""

import asyncio
import random
from collections.abc import Coroutine
from math import ceil

from coderai.auth import User
from coderai.breaker import Breakers, Open, Passage, State
from coderai.gateway.forwarded import forwarded, forwarded_plain
from coderai.gateway.refusal import RETRY_AFTER_S, Refusal
from coderai.gateway.troubles import Troubles
from coderai.keys import BYOK, FAILOVER, Key, Keys
from coderai.logs import Logger
from coderai.routes import Route
from coderai.wire.answer import Answer
from coderai.wire.headers import Headers, block
from coderai.wire.request import Request
from coderai.wire.upstream import TimedOut, Unreachable, Upstreams

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
        self.troubles = Troubles(log)
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
        passed = head.once(forwarded_plain if plain else forwarded)
        own = self.actor(user) if told else []
        if body or head.method == "POST":
            own.append((b"Content-Length", b"%d" % len(body)))
        provider = route.provider
        line = b"%b %b HTTP/1.1" % (head.method.encode(), provider.target(route.path, head.query))
        host = (b"Host", provider.authority)
        raw = b"%b\r\nHost: %b\r\n%b%b" % (line, provider.authority, passed.block, block(own))
        return Call(self, route, keys, line, [host, *passed.headers, *own], body, raw)

    def actor(self, user: User) -> Headers:
        """Who asks, where the provider may hear it."""
        if not self.actor_headers:
            return []
        return [
            (b"X-AI-Bridge-Actor-ID", user.id.encode()),
            (b"X-AI-Bridge-Actor-Metadata-Username", user.name.encode()),
        ]

    def passage(self, route: Route, model: str) -> Passage | None:
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
        status: int | None = None
        try:
            answer = await self._answer()
            status = answer.status
        except Failed as failed:
            address = str(self._route.provider.origin)
            self._calls.troubles.unanswered(self._provider, address, failed.error_type, str(failed))
            # a connection that broke tells of no success; keys that all rest, of nothing
            if passage is not None and self.key is not None and failed.status in passage.failures:
                status = failed.status
            raise
        finally:
            if passage is not None:
                own_limit = status == 429 and self._keys.kind == BYOK  # of a key that nobody else has
                passage.tell(None if own_limit else status)
        if status == 401 or self._calls.troubles:
            self._calls.troubles.answered(self._provider, status, self._keys)
        return answer

    @property
    def _provider(self) -> str:
        return self._route.provider.name

    async def _answer(self) -> Answer:
        keys = self._keys
        for key in keys.usable():
            if not keys.single and key.cooling:  # since then, by another request
                continue
            self.key = key
            try:
                answer = await self._send(key)
            except TimedOut as error:
                raise Failed(504, "upstream_timeout", str(error)) from None
            except Unreachable as error:
                raise Failed(502, "upstream_unreachable", str(error)) from None
            if keys.single or answer.status not in FAILOVER:
                return answer
            seconds = key.cool_down(answer.status, answer.fields)
            fields = {"provider": self._provider, "key": key.hint, "status": answer.status, "seconds": round(seconds)}
            self._calls.log.warn("a key cools down", **fields)
            answer.abandon()
        seconds_left = keys.next_usable_s()
        if seconds_left is None:
            raise Failed(502, "keys_refused", "the provider refuses all keys that coderai has for it")
        message = "all keys that coderai has for the provider are rate-limited"
        raise Failed(429, "rate_limit_error", message, retry_after=max(1, ceil(seconds_left)))

    async def _send(self, key: Key) -> Answer:
        """Nothing has been relayed: it may be sent again where that is allowed. Raises TimedOut, Unreachable."""
        for tried in range(self._calls.max_retries):
            try:
                answer = await self._once(key)
            except Unreachable as error:
                if error.connected:  # the provider may be at work on it
                    raise
            else:
                if answer.status not in _RETRIED or _says_when(answer):
                    return answer
                answer.abandon()
            longest = min(_BACKOFF_S * 2**tried, _LONGEST_BACKOFF_S)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret
        return await self._once(key)

    def _once(self, key: Key) -> Coroutine[None, None, Answer]:
        return self._sent(b"%b%b: %b\r\n\r\n" % (self._head, *key.header))

    def _sent(self, head: bytes) -> Coroutine[None, None, Answer]:
        return self._calls.upstreams.send(self._route.provider.origin, head, self.body)
