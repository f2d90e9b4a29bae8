"""The shape of this API's answers: JSON, and for refusals Coder's `{"message", "detail", "validations"}`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

Response = TypeVar("Response", bound=web.StreamResponse)


class Validation(Struct, frozen=True):
    """What is wrong with one parameter."""

    field: str
    detail: str


class _Body(Struct, frozen=True, omit_defaults=True):
    message: str
    detail: str = ""
    validations: Sequence[Validation] = ()


class Refused(Exception):
    """The request is answered with this status and text."""

    def __init__(
        self,
        status: int,
        message: str,
        detail: str = "",
        validations: Sequence[Validation] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = _Body(message, detail, tuple(validations))
        self.headers = headers

    def response(self) -> web.Response:
        return json(msgspec.json.encode(self.body) + b"\n", status=self.status, headers=self.headers)


def json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return _as_json(web.Response(body=body, status=status, headers=headers))


async def streamed(request: web.Request, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """One JSON text, a piece at a time, each asked for when the client has read most of those before it.

    A text of one piece goes as a whole, with its length. What the first two raise can still be answered; what is raised
    later breaks the connection, as half a text must not end like a whole one.
    """
    first, second = await anext(pieces), await anext(pieces, None)
    if second is None:
        return json(first)
    response = _as_json(web.StreamResponse())
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            await response.write(first + second)
            async for piece in pieces:
                await response.write(piece)
    except ConnectionError:
        pass  # the client has gone
    except BaseException:
        if request.transport is not None:
            request.transport.abort()
        raise
    return response


def _as_json(response: Response) -> Response:
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["X-Content-Type-Options"] = "nosniff"  # it holds what users and models wrote
    return response
