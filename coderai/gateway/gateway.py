"""What a request goes through, in order: requests at a time, its route, its token, its user's rate, the credential that
it goes on with, whether the store takes records, its body; then interception or passthrough.
"""

import asyncio

from coderai.auth import Authenticator, Suspended, User
from coderai.formats import CHAT_COMPLETIONS
from coderai.formats.format import Format
from coderai.gateway.credential import Credentials
from coderai.gateway.interceptor import Interceptor
from coderai.gateway.limits import Limits
from coderai.gateway.masking import told
from coderai.gateway.passthrough import Passthrough
from coderai.gateway.refusal import Refusal
from coderai.gateway.turns import Turns
from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.routes import NoRoute, Route, Routes
from coderai.store import StoreUnavailable
from coderai.user_tokens import MISSING, Unauthenticated, presented_in
from coderai.wire.head import Head
from coderai.wire.request import Request
from coderai.wire.request_body import BodyTooLarge, NoRoomForBody

# Characters of a path that is no route, in its answer and its log line: what was meant can be told from them, and the
# 64 kB that a path may have, sent without a token, fill neither the log nor memory.
PATH_SHOWN = 300


class Gateway:
    """Serves the providers' routes. `routes` is replaced by a reload while serving."""

    def __init__(
        self,
        authenticator: Authenticator,
        recorder: Recorder,
        interceptor: Interceptor,
        passthrough: Passthrough,
        turns: Turns,
        log: Logger,
    ) -> None:
        self.routes = Routes(())
        self.credentials = Credentials()
        self.limits = Limits()
        self._authenticator = authenticator
        self._recorder = recorder
        self._interceptor = interceptor
        self._passthrough = passthrough
        self._log = log
        self._turns = turns

    def serves(self, path: bytes) -> bool:
        """Whether the raw path is a provider's."""
        return self.routes.serves(path)

    async def handle(self, request: Request) -> None:
        """Answers the request, whatever happens; cancelled when its client goes or the server stops."""
        try:
            self.limits.enter()
        except Refusal as refusal:
            return self._refuse(request, refusal)
        try:
            await self._serve(request)
        except asyncio.CancelledError:
            request.cut()
        except Exception as fault:
            self._log.fault("request failed", fault, path=_path(request.head))
            self._refuse(request, Refusal(500, "coderai failed on this request; its log says more", retry=True))
        finally:
            self.limits.leave()

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        """An answer of which something has gone out can only be broken off."""
        if request.answered and not request.recall():
            request.cut()
        else:
            refusal.answer(request, self._format(request))

    def _format(self, request: Request) -> Format:
        """Whose error shape an answer of our own takes."""
        head = request.head
        method = "POST" if self.routes.intercepts(head.path) else head.method  # the path tells, where it can
        try:
            route = self.routes.find(method, head.path)
        except NoRoute as nowhere:
            return nowhere.provider.kind.error_format if nowhere.provider else CHAT_COMPLETIONS
        return route.format or route.provider.kind.error_format

    async def _serve(self, request: Request) -> None:
        if (turn := self._turns.wait()) is not None:
            await turn
        try:
            route = self._route(request)
            if route is None:
                return request.answer(200, b"", [])
            user = await self._user(request)
            self.limits.admit(user.id)
            keys = self.credentials.of(request, route.provider)
            self._require_store()
            body = await self._body(request)
            if route.format is None:
                await self._passthrough.serve(request, route, user, keys, body)
            else:
                await self._interceptor.serve(request, route, route.format, user, keys, body)
        except Refusal as refusal:
            self._refuse(request, refusal)
        except (StoreUnavailable, NotStored):
            self._refuse(request, Refusal(503, "the audit trail cannot be read or written now", retry=True))

    def _route(self, request: Request) -> Route | None:
        """Where it goes; None for the HEAD by which Claude Code asks, without a token, who is there."""
        head = request.head
        if b"websocket" in head.fields.get(b"upgrade", b"").lower() and self.routes.intercepts(head.path):
            # before authentication: Codex falls back to HTTP at once on 426, after seven attempts on 401
            raise Refusal(426, "WebSocket is not served here: use HTTP")
        try:
            return self.routes.find(head.method, head.path)
        except NoRoute as nowhere:
            if head.method == "HEAD" and nowhere.at_root:
                return None
            path = _path(head)
            self._log.warn("route not supported", method=head.method, path=path)
            meant = f"; did you mean {nowhere.meant.decode('latin-1')}?" if nowhere.meant else ""
            raise Refusal(404, f"route not supported: {head.method} {path}{meant}") from None

    async def _user(self, request: Request) -> User:
        try:
            shown = request.head.once(presented_in)
            if shown is None:
                raise Refusal(401, MISSING)
            if (user := self._authenticator.lookup(shown)) is None:
                self._require_store()  # where that stands still, asking it about the token would take its time
                user = await self._authenticator.resolve(shown)
            return user
        except Unauthenticated as reason:
            raise Refusal(401, str(reason)) from None
        except Suspended as reason:
            raise Refusal(403, str(reason)) from None

    def _require_store(self) -> None:
        if (reason := self._recorder.refusal()) is not None:
            raise Refusal(503, f"the audit trail cannot be written: {reason}", retry=True)

    async def _body(self, request: Request) -> bytes:
        if request.head.fields.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
            raise Refusal(501, "no transfer-encoding but chunked is understood here")
        try:
            return await request.body()
        except BodyTooLarge:
            raise Refusal(413, "the request's body is larger than --aibridge-max-request-body allows") from None
        except NoRoomForBody:
            raise Refusal(503, "too many request bodies in flight", retry=True) from None


def _path(head: Head) -> str:
    """Its path, as it may be told."""
    path = told(head, head.path.decode("latin-1"))
    return path if len(path) <= PATH_SHOWN else f"{path[:PATH_SHOWN]}..."
