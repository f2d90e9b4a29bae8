"""The routes of the audit API and of health, as an aiohttp application; no failure ever shows a traceback."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web

from coderai.api.answers import Refused, json, streamed
from coderai.api.interceptions import interceptions
from coderai.auth import Authenticator, Suspended, User
from coderai.logs import Logger
from coderai.routes import PREFIXES
from coderai.store import Store, StoreUnavailable
from coderai.user_tokens import Unauthenticated, token_of, without_tokens

_PREFIXES = tuple(prefix.decode() for prefix in PREFIXES)
DISABLED = "Set --aibridge-enabled=true or CODER_AIBRIDGE_ENABLED=true, and start the server again."
# A load balancer does not wait for long; a look-up by index takes a millisecond.
PING_SECONDS = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    store: Store,
    authenticator: Authenticator,
    enabled: bool,
    unready: Callable[[], Sequence[str]],
    log: Logger | None = None,
) -> web.Application:
    """`unready` says why it should be left alone now: requests would be refused, or a log is not written."""
    api = _API(store, authenticator, enabled, unready, log)
    app = web.Application(middlewares=[api.answered])
    app.on_response_prepare.append(_for_nobody_else)
    app.router.add_get("/healthz", api.healthz)
    app.router.add_get("/readyz", api.readyz)
    for prefix in _PREFIXES:
        app.router.add_get(f"{prefix}interceptions", api.interceptions)
    return app


class _API:
    def __init__(
        self,
        store: Store,
        authenticator: Authenticator,
        enabled: bool,
        unready: Callable[[], Sequence[str]],
        log: Logger | None,
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._enabled = enabled
        self._unready = unready
        self._log = log
        self._ping: asyncio.Task[bool] | None = None

    async def healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def readyz(self, request: web.Request) -> web.Response:
        reasons = list(self._unready())
        if not await self._readable():
            reasons.append("the database cannot be read")  # why not, names a path: that is not for everybody
        if reasons:
            return json(msgspec.json.encode({"message": "Not ready.", "reasons": reasons}) + b"\n", status=503)
        return web.Response(text="OK")

    async def _readable(self) -> bool:
        """Whether the database says soon that it can be read; all who ask meanwhile wait for the same answer."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._answers())
        done, _ = await asyncio.wait([self._ping], timeout=PING_SECONDS)
        return bool(done) and self._ping.result()

    async def _answers(self) -> bool:
        try:
            await self._store.ping()
        except StoreUnavailable:
            return False
        return True

    async def interceptions(self, request: web.Request) -> web.StreamResponse:
        return await streamed(request, interceptions(self._store, await self._user(request), request.query))

    async def _user(self, request: web.Request) -> User:
        try:
            return await self._authenticator.user(token_of(request.headers.get))
        except Unauthenticated as error:
            raise Refused(401, "Unauthenticated.", str(error), headers={"WWW-Authenticate": "Bearer"}) from error
        except Suspended as error:
            raise Refused(403, "Forbidden.", str(error)) from error

    @web.middleware
    async def answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What the handler answers, or a refusal in this API's shape."""
        response = await self._answer(request, handler)
        if self._log is not None:
            self._log.debug(
                "API request", method=request.method, path=without_tokens(request.path), status=response.status
            )
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not self._enabled and _of_the_gateway(request.path):
                raise Refused(404, "The AI gateway is not enabled.", DISABLED)
            return await handler(request)
        except Refused as refused:
            return refused.response()
        except web.HTTPException as error:  # of the router
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            elsewhere = (
                f"; a provider's routes are below {_PREFIXES[0]}NAME/" if error.status == HTTPStatus.NOT_FOUND else ""
            )
            detail = f"{request.method} {without_tokens(request.path)}{elsewhere}"
            return Refused(error.status, f"{HTTPStatus(error.status).phrase}.", detail, headers=allow).response()
        except StoreUnavailable as error:
            if self._log is not None:
                self._log.error("API request failed", path=without_tokens(request.path), error=str(error))
            return Refused(
                503, "The database cannot be read.", "Try again shortly.", headers={"Retry-After": "5"}
            ).response()
        except Exception as fault:
            if self._log is not None:
                self._log.fault("API request failed", fault, path=without_tokens(request.path))
            return Refused(500, "Internal error.", "The server's log says more.").response()


def _of_the_gateway(path: str) -> bool:
    return f"{path}/".startswith(_PREFIXES)


async def _for_nobody_else(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # which library answers is nobody's business
    # A cache between may know no token but that in Authorization, and would give one user's trail to another.
    response.headers["Cache-Control"] = "no-store"
